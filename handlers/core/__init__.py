"""What decides: pure functions and plain data, without AWS and without a database."""
