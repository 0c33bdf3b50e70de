"""`python -m sandbox rehearse --fault NAME` and `make faults`: strike, print what came of it, write it down."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox import lifecycle
from sandbox.faults import catalogue
from sandbox.faults.stage import staged
from sandbox.faults.suite import Outcome, Suite
from sandbox.paths import BUILD, claimed

OUTPUT = BUILD / "faults"
ROWS, RATE = 2_000, 100.0
"""Few rows, and few writes a second: what is counted is faults."""
HEADER = ("fault", "end", "acknowledged", "lost", "doubled", "gap s", "both open", "afterwards", "")


def rehearse(names: Sequence[str], *, sandbox: str, seed: int, folder: Path) -> int:
    """Rehearse faults by name and return the exit status: 0 only if each ended as it may and no write was harmed."""
    faults = catalogue.named(names)
    lifecycle.refuse_second(sandbox)
    with claimed(folder, f"another rehearsal writes to {folder}: name another folder with --output"):
        _clear(folder, "faults.json", "faults.md")
        outcomes: list[Outcome] = []

        def note(outcome: Outcome) -> None:
            outcomes.append(outcome)
            _tell(f"{len(outcomes):>4}/{len(faults)} {_line(outcome)}")
            for wrong in outcome.wrong:
                _tell(f"         wrong: {wrong}")
            _write(folder, outcomes)

        for part in catalogue.by_stack(faults):
            _clear(folder, "ledger.jsonl", "ledger.jsonl.progress")  # a stack of its own has rows of its own
            with staged(sandbox, ROWS, seed, folder, _tell, canary=part[0].canary) as stage:
                Suite(stage, folder, RATE, seed).run(part, note)
    print(table(outcomes))
    failed = [outcome.fault for outcome in outcomes if not outcome.passed]
    written = sum(outcome.acknowledged for outcome in outcomes)
    print(
        f"{len(outcomes)} faults, {written:,} acknowledged writes, lost {sum(o.lost for o in outcomes)}, doubled "
        f"{sum(o.doubled for o in outcomes)}; {'wrong: ' + ', '.join(failed) if failed else 'every end as it may be'}"
    )
    return 1 if failed else 0


def table(outcomes: Sequence[Outcome]) -> str:
    """Return what came of the faults as a table in Markdown."""
    rows = [HEADER, tuple("---" for _ in HEADER), *(_cells(outcome) for outcome in outcomes)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _clear(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    gap = "" if outcome.gap_seconds is None else f"{outcome.gap_seconds:.2f}"
    numbers = (f"{outcome.acknowledged:,}", str(outcome.lost), str(outcome.doubled), gap, str(outcome.both_instants))
    return (outcome.fault, outcome.end, *numbers, outcome.afterwards, "ok" if outcome.passed else "WRONG")


def _line(outcome: Outcome) -> str:
    return (
        f"{outcome.fault}: {outcome.end}, {outcome.acknowledged} writes, lost {outcome.lost}, doubled "
        f"{outcome.doubled}, gap {outcome.gap_seconds} s, {outcome.seconds:.0f} s"
        + (f"; {outcome.afterwards}" if outcome.afterwards else "")
    )


def _write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    (folder / "faults.json").write_text(json.dumps([outcome.to_dict() for outcome in outcomes], indent=1) + "\n")
    (folder / "faults.md").write_text(table(outcomes) + "\n")


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
