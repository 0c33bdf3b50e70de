"""No secret reaches a log or an error: what a process has read, and what looks like a password, is blotted out.

What a process knows of secrets is the process's own, so it is kept here, in the module.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

BLOT = "[secret]"
SHORTEST = 4
"""What is shorter is left: blotting it out would make other words unreadable, and is no password."""
PUBLIC = frozenset({"username", "host", "port", "dbname", "engine", "masterarn", "dbClusterIdentifier"})
"""Fields of a secret that are none."""
LOOKS_LIKE = (
    re.compile(
        r"(?i)(\bpassword['\"]?\s*[=:]\s*|\bpassword\s+(?=['\"]))"
        r"('(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|[^\s,;)'\"]+)"
    ),
    re.compile(r"(\w://[^\s:/@]*:)([^\s/@]+)(?=@)"),
    re.compile(r"(SCRAM-SHA-256\$)([^\s'\"]+)"),
)
"""How passwords are written in connection strings, SQL and addresses, and how PostgreSQL writes verifiers."""

_known: set[str] = set()


def hide(values: Iterable[str]) -> None:
    """Never let these be read again in what is written, however they are quoted."""
    for value in values:
        if len(value) >= SHORTEST:
            _known.update({value, json.dumps(value)[1:-1], quote(value, safe=""), value.replace("'", "''")})


def hide_secret(fields: Mapping[str, object]) -> None:
    """Hide what is secret of a secret."""
    hide(str(value) for name, value in fields.items() if name not in PUBLIC)


def redacted(text: str) -> str:
    """Return the text with every secret blotted out: those that are known, and what looks like one."""
    if _known:
        longest_first = sorted(_known, key=len, reverse=True)
        text = re.sub("|".join(map(re.escape, longest_first)), BLOT, text)
    for pattern in LOOKS_LIKE:
        text = pattern.sub(rf"\g<1>{BLOT}", text)
    return text


def cleanse(error: BaseException) -> None:
    """Blot secrets out of an error's words and of those it came from: who catches it writes them down."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        found.args = tuple(redacted(one) if isinstance(one, str) else one for one in found.args)
        found = found.__cause__ or found.__context__


class Filter(logging.Filter):
    """Blots secrets out of whatever is logged, tracebacks too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it through."""
        record.msg, record.args = redacted(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def guard(logger: logging.Logger) -> None:
    """Have what goes through a logger and all its outputs filtered. Can be repeated."""
    for place in (logger, *logger.handlers):
        if not any(isinstance(known, Filter) for known in place.filters):
            place.addFilter(Filter())
