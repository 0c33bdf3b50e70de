"""What Lambda calls. Each module's `handler` reads the event, opens the migration, calls one step, maps the result."""
