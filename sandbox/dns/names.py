"""Host names of the sandbox that carry the loopback address they stand for."""

import re

_DASHED = re.compile(r"(?:^|[.-])127-(\d{1,3})-(\d{1,3})-(\d{1,3})(?=[.-]|$)")
_DOTTED = re.compile(r"127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


def loopback_address(name: str) -> str | None:
    """Return the loopback address in a host name, or None where it holds none.

    The name is an address itself, or has a label or a dashed part of one that spells it:

    >>> loopback_address("x.cluster-127-0-0-3.us-east-1.rds.amazonaws.com")
    '127.0.0.3'
    >>> loopback_address("127-0-0-2.onprem.example")
    '127.0.0.2'
    >>> loopback_address("db.example.com") is None
    True
    """
    found = _DOTTED.fullmatch(name) or _DASHED.search(name)
    if found is None or any(int(part) > 255 for part in found.groups()):
        return None
    return ".".join(("127", *(str(int(part)) for part in found.groups())))
