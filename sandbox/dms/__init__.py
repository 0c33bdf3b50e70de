"""AWS DMS on one machine: its API, and tasks that move rows between the sandbox's own PostgreSQL servers."""
