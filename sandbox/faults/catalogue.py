"""Every fault there is, by family."""

from collections.abc import Mapping, Sequence

from sandbox.errors import SandboxError
from sandbox.faults import databases, kills, naming, people, readers, replication, undoing
from sandbox.faults.fault import Fault

EVERY = "every"
FAMILIES: Mapping[str, Sequence[Fault]] = {
    "replication": replication.FAULTS,
    "databases": databases.FAULTS,
    "names": naming.FAULTS,
    "people": people.FAULTS,
    "undo": undoing.FAULTS,
    "readers": readers.FAULTS,
    "kills": tuple(kills.faults()),
}


def named(names: Sequence[str]) -> list[Fault]:
    """Return faults by name, by family, or every one. Raises SandboxError, with what there is, for any other word."""
    known = {fault.name: fault for family in FAMILIES.values() for fault in family}
    found: dict[str, Fault] = {}
    for name in names:
        if name == EVERY:
            found |= known
        elif name in FAMILIES:
            found |= {fault.name: fault for fault in FAMILIES[name]}
        elif name in known:
            found[name] = known[name]
        else:
            raise SandboxError(
                f"no fault is called {name}: name one of {', '.join(sorted(known))}; a family, "
                f"{', '.join(FAMILIES)}; or {EVERY}"
            )
    return list(found.values())


def by_stack(faults: Sequence[Fault]) -> list[list[Fault]]:
    """Return the faults that can strike one stack together: those of a stack without a canary first."""
    parts = ([fault for fault in faults if fault.canary is canary] for canary in (False, True))
    return [part for part in parts if part]


def family_of(fault: Fault) -> str:
    """Return the family of a fault."""
    return next(name for name, family in FAMILIES.items() if fault in family)
