"""What could go wrong with a pair of databases, looked for before anything is moved; what is found comes with a remedy.

`facts` is what is known of a database, `rules` judge it, `plan` makes configuration of it, `report` says it to people.
Nothing here connects to anything: `handlers/adapters/catalogue` reads the facts.
"""
