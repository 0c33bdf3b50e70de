"""Lambda code that runs a migration: a pure core that decides, adapters that act, thin edges that Lambda calls."""
