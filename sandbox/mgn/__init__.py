"""Application Migration Service, as far as an account is set up for it: neither emulator has it."""
