"""Where Python packages come from: as the user has told pip, said again to uv, and nothing else of what they told.

A person's `pip.conf` and `PIP_*` name their company's index, its certificate, a proxy. They may also say what to
install and where (`PIP_TARGET`, `PIP_CONSTRAINT`, `PIP_NO_BINARY`), and a lock has said that already.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

PIP_KEYS = (
    *("index-url", "extra-index-url", "no-index", "find-links", "trusted-host"),
    *("cert", "client-cert", "proxy", "timeout", "retries", "keyring-provider", "use-feature"),
)
"""pip's options that say how an index is reached.

https://pip.pypa.io/en/stable/cli/pip_install/#options and https://pip.pypa.io/en/stable/topics/configuration/
(read 2026-12-01).
"""
ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
"""Other names that pip knows them by."""
UV_NAMES = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"),
    *("UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_KEYRING_PROVIDER", "UV_HTTP_TIMEOUT"),
    "UV_HTTP_RETRIES",
)
"""uv's variables that say the same. https://docs.astral.sh/uv/reference/environment/ (read 2026-12-01)."""
CREDENTIALS = ("_USERNAME", "_PASSWORD")
"""How the variables end that hold a named index's: UV_INDEX_COMPANY_PASSWORD."""
TRUE = ("1", "true", "yes", "on", "y", "t")
"""What pip takes for yes, of https://docs.python.org/3/library/configparser.html and more."""


def settings(listed: str) -> dict[str, str]:
    """Return pip's options that say how an index is reached, from what `pip config list` printed.

    A variable counts before what is said for `pip install` alone, and that before what is said for all commands.
    """
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in listed.splitlines()]
    for section in ("global", "install", ":env:"):
        for name, _, text in lines:
            of, _, key = name.partition(".")
            if of == section and ALIASES.get(key, key) in PIP_KEYS:
                found[ALIASES.get(key, key)] = _unquoted(text)
    return {key: value for key, value in found.items() if value.strip()}


def for_asking(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` for `pip config list`: with the variables of these options, and none that makes pip do otherwise."""
    said = {f"PIP_{key.replace('-', '_').upper()}" for key in (*PIP_KEYS, *ALIASES)} | {"PIP_CONFIG_FILE"}
    return {name: value for name, value in env.items() if name in said or not name.startswith("PIP_")}


def for_pip(env: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    """Return `env` with these options for pip and none of its others, no file of options among them."""
    kept = {name: value for name, value in env.items() if not name.startswith("PIP_")}
    said = {f"PIP_{key.replace('-', '_').upper()}": value for key, value in options.items()}
    return {**kept, **said, "PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def for_uv(env: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    """Return `env` with pip's options in uv's words, where uv's own variables do not say otherwise, and none else."""
    kept = {name: value for name, value in env.items() if not name.startswith(("UV_", "PIP_"))}
    own = {name: value for name, value in env.items() if name in UV_NAMES or _is_credential(name)}
    return {**_certificates(env, options), **_proxy(env, options), **_indexes(options), **kept, **own}


def _indexes(options: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that say where packages are looked for.

    uv takes a package from the first index that has any version of it, pip from all. All it is: a lock's hashes keep
    another index from slipping in a file of its own. A folder that is not there is none to pip, and an error to uv.
    """
    said = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    links = [link for link in options.get("find-links", "").split() if "://" in link or Path(link).exists()]
    named = {
        "UV_DEFAULT_INDEX": options.get("index-url", ""),
        "UV_INDEX": " ".join(options.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(links),
        "UV_NO_INDEX": "1" if options.get("no-index", "").lower() in TRUE else "",
        "UV_INSECURE_HOST": " ".join(options.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": options.get("timeout", "").partition(".")[0],
        "UV_KEYRING_PROVIDER": "subprocess" if options.get("keyring-provider") in {"subprocess", "import"} else "",
    }
    return said | {name: value for name, value in named.items() if value}


def _certificates(env: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    """Return whom to trust. pip's library reads two variables that uv does not."""
    authority = options.get("cert") or env.get("REQUESTS_CA_BUNDLE") or env.get("CURL_CA_BUNDLE") or ""
    client = options.get("client-cert", "")
    return {k: v for k, v in {"SSL_CERT_FILE": authority, "SSL_CLIENT_CERT": client}.items() if v}


def _proxy(env: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    proxy = options.get("proxy", "")
    if not proxy or any(name.lower() in {"http_proxy", "https_proxy", "all_proxy"} for name in env):
        return {}
    return {"ALL_PROXY": proxy if "://" in proxy else f"http://{proxy}"}


def _is_credential(name: str) -> bool:
    return name.startswith("UV_INDEX_") and name.endswith(CREDENTIALS)


def _unquoted(text: str) -> str:
    """Return a value that `pip config list` printed as Python's repr."""
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return text
