"""The operator's command: what a person does in a migration that no function can."""
