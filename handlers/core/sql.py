"""Names and literals in SQL text, for statements that take no parameters."""


def name(*parts: str) -> str:
    """Return a quoted, dotted identifier."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """Return a quoted string constant that is right whatever standard_conforming_strings says."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"
