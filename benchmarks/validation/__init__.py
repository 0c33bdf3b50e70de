"""How fast two databases are compared: ours beside the fastest peer that can be had, and the servers' limit."""
