"""AWS on one machine: the real engine deploys the real program, and real databases are migrated."""
