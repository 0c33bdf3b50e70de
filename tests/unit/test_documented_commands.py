"""Every command that a page tells people to run is one that its program knows, word for word."""

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", re.M | re.S)
COMMAND = re.compile(r"(?:^|&& |\$ |; |`)(aws [a-z0-9-]+ [^&|;`#]+)", re.M)
GLOBAL = {"--query", "--output", "--region", "--cli-read-timeout", "--cli-binary-format", "--no-cli-pager", "--profile"}
"""Options of the CLI itself: https://docs.aws.amazon.com/cli/latest/reference/#global-options (read 2026-12-01).

Of these --cli-binary-format and --no-cli-pager are version 2's alone.
"""
ONLY_VERSION_2 = {"--cli-binary-format", "--no-cli-pager"}
HIGH_LEVEL = {("s3", "cp")}
"""Commands that are the CLI's own and no operation of a service."""
KNOWN = {
    ".venv/bin/python",
    *("make", "pulumi", "aws", "python", "pytest", "git", "cd", "export", "psql", "pg_dump", "pg_restore", "jq", "cat"),
    *("pip", "uv", "dig", "createdb", "sh", "source", "unset", "ls", "sudo", "openssl", "curl"),
}


def blocks() -> list[tuple[str, str]]:
    return [(page.name, block.replace("\\\n", " ")) for page in PAGES for block in BLOCK.findall(page.read_text())]


def aws_commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for command in COMMAND.findall(page.read_text().replace("\\\n", " ")):
            if not command.startswith("aws …"):
                yield page.name, " ".join(command.split())


FOUND = sorted(set(aws_commands()))


@functools.cache
def session() -> botocore.session.Session:
    return botocore.session.get_session()


def test_the_pages_have_commands() -> None:
    assert len(FOUND) >= 10
    assert len(blocks()) >= 10


@pytest.mark.parametrize(("page", "command"), FOUND)
def test_the_aws_cli_knows_operation_and_options_in_both_versions(page: str, command: str) -> None:
    words = shlex.split(re.sub(r'"\$\([^)]*\)"', "VALUE", command))
    _, service, operation = words[:3]
    if (service, operation) in HIGH_LEVEL:
        return
    model = session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names, f"{page}: {command}"
    shape = model.operation_model(names[operation]).input_shape
    known = {f"--{xform_name(member, '-')}" for member in (shape.members if shape else ())} | GLOBAL
    given = {word for word in words[3:] if word.startswith("--")}
    assert given <= known, f"{page}: {command}"
    assert not given & ONLY_VERSION_2, f"{page}: version 1 of the CLI, a sandbox's, does not know it: {command}"


def test_a_payload_is_given_so_that_both_versions_take_it() -> None:
    """Version 1 takes it as it stands, version 2 as base64; what fileb:// names both take as it stands.

    https://docs.aws.amazon.com/cli/latest/userguide/cliv2-migration-changes.html (read 2026-12-01)
    """
    payloads = [re.findall(r"--payload (\S+)", command) for _, command in FOUND]
    assert all(value.strip("'\"").startswith("fileb://") for values in payloads for value in values)


def test_a_block_runs_programs_that_people_have() -> None:
    firsts = {
        (page, line.split()[0])
        for page, block in blocks()
        for line in block.splitlines()
        if line.strip() and not line.strip().startswith("#") and not line.startswith((" ", "|", ")"))
    }
    assert {first for _, first in firsts if first.split("=")[0] == first} <= KNOWN, sorted(firsts)
