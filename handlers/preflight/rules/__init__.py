"""The rules, by what they look at: pure functions of what is known of the pair."""
