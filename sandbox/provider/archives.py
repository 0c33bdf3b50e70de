"""Pulumi's archives as zip files."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SIGNATURE = "4dabf18193072939515e22adb298388d"
ASSET, ARCHIVE = "c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the signature of a secret, not one
EPOCH = (1980, 1, 1, 0, 0, 0)
_ZIPPED: dict[str, bytes] = {}
"""By the engine's hash: many functions have the same code, and compressing it takes a second."""
_TURN = threading.Lock()


def is_archive(value: Any) -> bool:
    """Say whether a property holds an archive."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) == ARCHIVE


def digest(value: Any) -> Any:
    """Return what tells one archive or asset from another; other values as they are."""
    if isinstance(value, Mapping) and value.get(SIGNATURE) in (ASSET, ARCHIVE):
        return value.get("hash")
    return value


def zipped(archive: Mapping[str, Any]) -> bytes:
    """Return an archive's content as a zip file, the same bytes for the same content."""
    path, known = archive.get("path"), archive.get("hash")
    if path and Path(path).is_file():
        return Path(path).read_bytes()
    with _TURN:
        if known not in _ZIPPED:
            content = _compressed(archive)
            if known is None:
                return content
            _ZIPPED[known] = content
        return _ZIPPED[known]


def _compressed(archive: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target:
        for name, content in sorted(_files(archive, "")):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o755 << 16
            target.writestr(entry, content)
    return out.getvalue()


def sha256(content: bytes) -> str:
    """Return a checksum as Lambda writes it."""
    import base64  # noqa: PLC0415

    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _files(value: Mapping[str, Any], where: str) -> Iterator[tuple[str, bytes]]:
    if value.get(SIGNATURE) == ASSET:
        yield where, value["text"].encode() if value.get("text") else Path(value["path"]).read_bytes()
        return
    if value.get("path"):
        root = Path(value["path"])
        for file in sorted(root.rglob("*")):
            if file.is_file():
                yield _join(where, file.relative_to(root).as_posix()), file.read_bytes()
    for name, inner in (value.get("assets") or {}).items():
        yield from _files(inner, _join(where, name))


def _join(where: str, name: str) -> str:
    return f"{where}/{name}" if where else name
