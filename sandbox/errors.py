"""The one error the sandbox shows a person: what is wrong, and what to do."""


class SandboxError(Exception):
    """What went wrong and its remedy, fit to be printed as one line. The command line exits with 1."""


def of_system(error: OSError) -> str:
    """Return what the system refused, with the remedy, in a line."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}; make room or check its rights"
