"""How the command ends, by what went wrong."""

OK, ERROR, USAGE, REFUSED, MISMATCH = 0, 1, 2, 3, 4
"""Exit codes, as every verb has them."""


class MigrateError(Exception):
    """What was asked can't be done. The message says why and what to do, in one line."""

    code = ERROR


class Refused(MigrateError):
    """What was asked must not be done as things are. Nothing was changed."""

    code = REFUSED
