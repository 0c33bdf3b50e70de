"""The emulators and which of them serves what. The modules named `*_server` run in the emulators' own environment."""
