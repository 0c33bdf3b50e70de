"""`make audit`: a bill of materials, and what is known against the versions that are locked.

pip-audit says "no known vulnerabilities" as well where it could look at nothing: an index that mirrors PyPI may hold no
record of them. So a version that is known to be bad is asked about first, and every locked package has to be among
those that were looked at.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox import commands, installer
from sandbox.errors import SandboxError
from sandbox.paths import BUILD, REPOSITORY

TOOLS = REPOSITORY / "requirements-audit.txt"
BILL = BUILD / "sbom.json"
KNOWN_BAD = "jinja2==2.10"
"""Has CVE-2019-10906, mended in 2.10.1: https://osv.dev/vulnerability/PYSEC-2019-217 (read 2026-12-01)."""
REMEDY = "run it where PyPI itself is reached, not a mirror of it"

Report = Mapping[str, Any]


def locked(text: str) -> list[Requirement]:
    """Return what a lock names, for this machine and for others."""
    lines = (line.removesuffix("\\").strip() for line in text.splitlines() if "==" in line and line[:1] not in " #")
    return [Requirement(line.partition(" --hash")[0]) for line in lines]


def unseen(report: Report, wanted: Sequence[Requirement]) -> dict[str, str]:
    """Return the packages of a lock that were not looked at, each with the reason. Others' machines' don't count."""
    seen = {canonicalize_name(one["name"]): one for one in report.get("dependencies", ())}
    here = [canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate()]
    reasons = {name: seen.get(name, {"skip_reason": "it is not in pip-audit's answer"}) for name in here}
    return {name: one.get("skip_reason", "no answer") for name, one in reasons.items() if "vulns" not in one}


def vulnerable(report: Report) -> list[str]:
    """Return what is known against the packages of a report, a line each."""
    return [
        f"{one['name']} {one['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'none yet'}"
        for one in report.get("dependencies", ())
        for known in one.get("vulns", ())
    ]


def complaints(name: str, report: Report, wanted: Sequence[Requirement]) -> list[str]:
    """Return what is to be said against a lock: what is known, what was not looked at, or that it names nothing."""
    if not wanted:
        return [f"{name} names no package: run make lock"]
    missing = unseen(report, wanted)
    said = [f"{name}: {line}" for line in vulnerable(report)]
    if missing:
        first, reason = next(iter(missing.items()))
        said.append(f"{name}: {len(missing)} packages were not looked at, such as {first} ({reason}): {REMEDY}")
    return said


def bill_complaints(bill: Mapping[str, Any], wanted: Sequence[Requirement]) -> list[str]:
    """Return what a bill of materials lacks of what the lock names, in a line, or nothing."""
    listed = {canonicalize_name(one["name"]) for one in bill.get("components", ())}
    missing = sorted({canonicalize_name(one.name) for one in wanted} - listed)
    return [f"{BILL.name} lacks {len(missing)} packages, such as {missing[0]}"] if missing else []


def _ask(python: Path, requirements: Path, *options: str) -> Report:
    command: list[str | Path] = [python, "-m", "pip_audit", "--disable-pip", "--format", "json", *options]
    done = commands.run([*command, "--requirement", requirements])
    try:
        answer: Report = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.strip().splitlines() or [f"pip-audit said nothing and ended with {done.returncode}"]
        raise SandboxError(f"{requirements.name} could not be audited: {lines[-1]}") from None
    return answer


def _scanner_knows(python: Path) -> None:
    """Raise SandboxError where what is known to be bad passes."""
    with tempfile.TemporaryDirectory() as work:
        asked = Path(work) / "known-bad.txt"
        asked.write_text(f"{KNOWN_BAD}\n")
        if not vulnerable(_ask(python, asked, "--no-deps")):
            raise SandboxError(
                f"nothing was audited: the index holds nothing against {KNOWN_BAD}, which is known to be bad; {REMEDY}"
            )


def _bill(python: Path, lock: Path) -> Mapping[str, Any]:
    BILL.parent.mkdir(exist_ok=True)
    done = commands.run([python, "-m", "cyclonedx_py", "requirements", "--output-file", BILL, lock])
    if done.returncode:
        raise SandboxError(f"no bill of materials: {' '.join(done.stderr.split())[-300:]}")
    found: Mapping[str, Any] = json.loads(BILL.read_text())
    return found


def main(arguments: Sequence[str]) -> int:
    """Write the bill of the first lock, audit all of them, and return 1 where there is anything to say."""
    said: list[str] = []
    try:
        if not arguments:
            raise SandboxError("name the locks to audit")
        python = installer.environment(installer.named("audit", TOOLS), TOOLS, "what the audit needs")
        locks = {name: locked((REPOSITORY / name).read_text()) for name in arguments}
        said += bill_complaints(_bill(python, REPOSITORY / arguments[0]), locks[arguments[0]])
        _scanner_knows(python)
        for name, wanted in locks.items():
            said += complaints(name, _ask(python, REPOSITORY / name, "--require-hashes"), wanted)
    except (SandboxError, OSError) as error:
        said.append(str(error))
    for line in said:
        print(f"error: {line}", file=sys.stderr)
    if said:
        return 1
    count = sum(map(len, locks.values()))
    print(f"{count} packages of {len(locks)} locks: nothing is known against them; {BILL.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
