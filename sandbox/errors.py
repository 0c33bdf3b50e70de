"""The one error the sandbox shows a person: what is wrong, and what to do."""


class SandboxError(Exception):
    """What went wrong and its remedy, fit to be printed as one line. The command line exits with 1."""
