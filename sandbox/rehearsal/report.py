"""What came out of a rehearsal: report.json for machines, report.html for people."""

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.rehearsal.picture import HATCH, Series, close_up, markup, overview

STYLE = Path(__file__).with_name("report.css")
ABSENT = "—"
UNEQUAL_FIRST = 400
"""Tables listed at most; those that differ come first."""
SHOWN = (
    *("engine", "source_version", "target_version", "resources_created", "rows_loaded", "acknowledged_writes"),
    *("lost_writes", "duplicated_writes", "client_errors", "write_gap_seconds", "fence_to_open_seconds", "validation"),
    *("phases", "ambiguous_writes", "client_errors_by_class", "verification", "switchover", "fail_back", "resources"),
    *("versions", "host", "provider", "writable_sides", "dns_propagation_seconds"),
)
"""Keys that have a place of their own on the page. All others are listed at its end."""

Cell = str | tuple[str, str]
"""A table's cell: HTML, or (class, HTML)."""


def write(folder: Path, report: Mapping[str, Any], series: Series) -> None:
    """Write report.json and report.html into `folder`, each of them whole or not at all.

    Needed in `report`: engine, source_version, target_version, resources_created, rows_loaded, acknowledged_writes,
    lost_writes, duplicated_writes, client_errors, write_gap_seconds, fence_to_open_seconds, phases {name: seconds},
    validation {tables, rows, mismatches} and writable_sides {both_instants, neither_seconds, tries, accepted {side:
    number}}; what lacks is shown as such, and the verdict is not a good one then.
    `mismatches` is a number or a list of lines.
    Shown as well: dns_propagation_seconds, ambiguous_writes, client_errors_by_class {class: number}, verification
    {lost: [line], duplicated: [line]}, validation.differences [line], validation.by_table (as verify.compare_all
    returns it), validation.left_out [text], switchover and fail_back {steps: {name: [begin, end]}, write_gap_seconds,
    fence_to_open_seconds}, resources {type: number}, versions {name: version}, host, provider;
    and any other key, at the end of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "report.json", json.dumps(_plain(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    _replace(folder / "report.html", page(report, series))


def passed(report: Mapping[str, Any]) -> bool:
    """Say whether the rehearsal proves what it is for.

    That is: writes were acknowledged, none lost or doubled, the sides are equal, and never took writes both at once.
    """
    sides = _mapping(report.get("writable_sides"))
    tried = [_number(accepted) for accepted in _mapping(sides.get("accepted")).values()]
    nothing = (
        *(report.get("lost_writes"), report.get("duplicated_writes")),
        *(mismatches(report), sides.get("both_instants")),
    )
    return bool(_number(report.get("acknowledged_writes")) and tried and all(tried)) and all(
        value == 0 for value in nothing
    )


def mismatches(report: Mapping[str, Any]) -> int | None:
    """Return how many tables differ, None if they were not compared."""
    found = _mapping(report.get("validation")).get("mismatches")
    if isinstance(found, Sequence) and not isinstance(found, str):
        return len(found)
    return found if isinstance(found, int) else None


def page(report: Mapping[str, Any], series: Series) -> str:
    """Return the page: one HTML document that loads nothing."""
    title = f"PostgreSQL {_text(report.get('source_version'))} to {_text(report.get('target_version'))}"
    body = [
        f"<h1>Migration rehearsal · {title}</h1>",
        _verdict(report),
        _tiles(report),
        _pictures(series),
        _bars("Phases", "phase", _mapping(report.get("phases"))),
        _bars("Inside the switchover", "step", _steps(_mapping(report.get("switchover")))),
        _bars("Inside the fail-back", "step", _steps(_mapping(report.get("fail_back")))),
        _validation(report),
        _writable(report),
        '<div class="columns">',
        _errors(report),
        _deployed(report),
        _versions(report),
        _rest(report),
        "</div>",
        "<footer>Made by <code>make rehearse</code>. Shown: the orchestration, the SQL, the fence and the way back, "
        "with real databases. Not shown: AWS DMS's own speed, network latency, refusals by IAM.</footer>",
    ]
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Rehearsal: {title}</title><style>{style}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _verdict(report: Mapping[str, Any]) -> str:
    lost, doubled, differ = report.get("lost_writes"), report.get("duplicated_writes"), mismatches(report)
    both = _mapping(report.get("writable_sides")).get("both_instants")
    written = _count(report.get("acknowledged_writes"))
    if passed(report):
        head, detail = "✓ No acknowledged write was lost", f"All {written} acknowledged writes are there, exactly once."
    elif lost:
        head, detail = f"✗ {_number_of(lost, 'acknowledged write')} lost", f"{written} were acknowledged."
    elif both:
        head, detail = "✗ Both sides took writes at the same time", f"{_number_of(both, 'try', 'tries')} met that."
    elif doubled:
        head, detail = f"✗ {_number_of(doubled, 'write')} carried out twice", f"{written} were acknowledged."
    elif differ:
        head, detail = (
            f"✗ {_number_of(differ, 'table')} different",
            "No acknowledged write is missing, and yet they differ.",
        )
    else:
        head, detail = "✗ Not proven", "The rehearsal did not come to its end, or nothing was written or compared."
    return (
        f'<div class="verdict {"good" if passed(report) else "bad"}"><strong>{head}</strong><span>{detail}</span></div>'
    )


def _tiles(report: Mapping[str, Any]) -> str:
    both = _mapping(report.get("writable_sides")).get("both_instants")
    tiles = [
        (_count(report.get("lost_writes")), "writes lost", report.get("lost_writes") != 0),
        (_count(report.get("duplicated_writes")), "writes duplicated", report.get("duplicated_writes") != 0),
        (_count(mismatches(report)), "tables that differ", mismatches(report) != 0),
        (_count(both), "tries that found both sides open", both != 0),
        (_seconds(report.get("write_gap_seconds")), "longest time without a write", False),
        (_seconds(report.get("fence_to_open_seconds")), "from fence to open", False),
        *_tiles_back(_mapping(report.get("fail_back"))),
        (_seconds(report.get("dns_propagation_seconds")), "until DNS follows a change", False),
        (_count(report.get("acknowledged_writes")), "writes acknowledged", False),
        (_count(report.get("rows_loaded")), "rows migrated", False),
    ]
    cells = (
        f'<div class="tile{" bad" if bad else ""}"><b>{value}</b><span>{label}</span></div>'
        for value, label, bad in tiles
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _tiles_back(fail_back: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    times = {
        "write_gap_seconds": "without a write, going back",
        "fence_to_open_seconds": "from fence to open, going back",
    }
    return [(_seconds(fail_back.get(key)), label, False) for key, label in times.items() if fail_back]


def _pictures(series: Series) -> str:
    whole = overview(series)
    if not whole:
        return "<h2>What happened</h2><p>No write was recorded: there is nothing to draw.</p>"
    parts = [
        "<h2>What happened</h2><p>Every write that a database acknowledged, by the side that took it. Blue is the "
        f"source (plain), green the target (hatched).</p>{HATCH}<figure>{whole}</figure>"
    ]
    for number, gap in enumerate(series.gaps):
        label = "The switchover, close up" if number == 0 else "And the next, close up"
        parts.append(f"<h2>{label}</h2><figure>{close_up(series, gap)}</figure>")
    return "\n".join(parts)


def _bars(title: str, kind: str, times: Mapping[str, Any]) -> str:
    """Return what came one after the other as bars, each beginning where the one before it ended."""
    known = [(name, _number(seconds)) for name, seconds in times.items()]
    total = sum(seconds or 0.0 for _, seconds in known)
    rows: list[Sequence[Cell]] = []
    begin = 0.0
    for name, seconds in known:
        length = seconds or 0.0
        left, wide = (100 * begin / total, 100 * length / total) if total else (0.0, 0.0)
        bar = f'<div class="track"><i style="left:{left:.2f}%;width:{wide:.2f}%"></i></div>' if length else ""
        rows.append([_text(name), ("bar", bar), ("number", _seconds(seconds))])
        begin += length
    rows.append(["<b>all</b>", ("bar", ""), ("number", f"<b>{_seconds(total)}</b>")])
    return f"<h2>{title}</h2>{_table([kind, '', ('number', 'time')], rows)}" if known else ""


def _steps(switchover: Mapping[str, Any]) -> dict[str, float]:
    """Return how long the steps took, in the order in which they began."""
    found = {}
    for name, moments in _mapping(switchover.get("steps")).items():
        known = [moment for moment in map(_number, _list(moments)) if moment is not None]
        if len(known) == 2:
            found[str(name)] = (known[0], known[1] - known[0])
    return {name: seconds for name, (_, seconds) in sorted(found.items(), key=lambda item: item[1])}


def _validation(report: Mapping[str, Any]) -> str:
    validation = _mapping(report.get("validation"))
    found = validation.get("mismatches")
    tables = [t for t in _list(validation.get("by_table")) if isinstance(t, Mapping)]
    tables = sorted(tables, key=lambda table: bool(table.get("equal")))
    parts = [
        "<h2>Validation</h2><p>Number and content of the rows of every table on both sides, compared while nobody "
        f"could write: {_count(validation.get('tables'))} tables, {_count(validation.get('rows'))} rows.</p>"
    ]
    verification = _mapping(report.get("verification"))
    examples = [*_list(found), *_list(validation.get("differences"))]
    examples += [*_list(verification.get("lost")), *_list(verification.get("duplicated"))]
    left_out = [_text(rule) for rule in _list(validation.get("left_out"))]
    if left_out:
        parts.append(f"<p>Left out by the stack's configuration: {', '.join(left_out)}.</p>")
    if examples:
        parts.append(_table(["what is wrong"], [[("bad", _text(line))] for line in examples]))
    if tables:
        rows: list[Sequence[Cell]] = [
            [
                _text(table.get("table")),
                ("number", _count(table.get("source_rows"))),
                ("number", _count(table.get("target_rows"))),
                "equal" if table.get("equal") else ("bad", "different"),
            ]
            for table in tables[:UNEQUAL_FIRST]
        ]
        heads: list[Cell] = ["table", ("number", "rows on the source"), ("number", "rows on the target"), "content"]
        shown = "" if all(table.get("equal") for table in tables) else " open"
        more = f" (the first {UNEQUAL_FIRST})" if len(tables) > UNEQUAL_FIRST else ""
        parts.append(f"<details{shown}><summary>Table by table{more}</summary>{_table(heads, rows)}</details>")
    return "\n".join(parts)


def _writable(report: Mapping[str, Any]) -> str:
    sides = _mapping(report.get("writable_sides"))
    found = {
        "tries": _count(sides.get("tries")),
        **{f"accepted by {side}": _count(number) for side, number in _mapping(sides.get("accepted")).items()},
        "that found both sides open": _count(sides.get("both_instants")),
        "time when neither was": _seconds(sides.get("neither_seconds")),
    }
    return (
        "<h2>Which side could be written to</h2><p>Beside the load, somebody with the application's credentials tried "
        "to write to both servers by their own addresses, over new connections and over those that were open already."
        f"</p>{_table(['', ''], [[_text(name), ('number', shown)] for name, shown in found.items()])}"
    )


def _errors(report: Mapping[str, Any]) -> str:
    classes = _mapping(report.get("client_errors_by_class"))
    rows: list[Sequence[Cell]] = [[_text(name), ("number", _count(number))] for name, number in classes.items()]
    rows.append(["<b>all</b>", ("number", f"<b>{_count(report.get('client_errors'))}</b>")])
    unknown = report.get("ambiguous_writes")
    note = f" It never learned what became of {_number_of(unknown, 'write')}." if unknown else ""
    return (
        "<div><h2>Errors the application met</h2><p>It waited, looked the name up again and retried."
        f"{note}</p>{_table(['error', ('number', 'times')], rows)}</div>"
    )


def _deployed(report: Mapping[str, Any]) -> str:
    kinds = _mapping(report.get("resources"))
    rows: list[Sequence[Cell]] = [[_text(kind), ("number", _count(kinds[kind]))] for kind in sorted(kinds, key=str)]
    rows.append(["<b>all</b>", ("number", f"<b>{_count(report.get('resources_created'))}</b>")])
    return f"<div><h2>Deployed</h2>{_table(['resource', ('number', 'number')], rows)}</div>"


def _versions(report: Mapping[str, Any]) -> str:
    named = {key: report.get(key) for key in ("engine", "provider", "host", "source_version", "target_version")}
    named |= _mapping(report.get("versions"))
    rows = [[name, _text(value)] for name, value in _flat(named)]
    return f"<div><h2>What it ran on</h2>{_table(['', ''], rows)}</div>"


def _rest(report: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in report.items() if key not in SHOWN}
    rest["switchover"] = {k: v for k, v in _mapping(report.get("switchover")).items() if k != "steps"}
    rows = [[name, _text(value)] for name, value in _flat(rest)]
    return f"<div><h2>Other numbers</h2>{_table(['', ''], rows)}</div>" if rows else ""


def _flat(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return names for people and values, those of mappings in mappings one by one."""
    for key, value in values.items():
        name = _text(key).replace("_", " ")
        if isinstance(value, Mapping):
            yield from ((f"{name}: {inner}", what) for inner, what in _flat(value))
        else:
            yield name, value


def _table(heads: Iterable[Cell], rows: Iterable[Sequence[Cell]]) -> str:
    def row(tag: str, cells: Iterable[Cell]) -> str:
        pairs = (("", cell) if isinstance(cell, str) else cell for cell in cells)
        return "".join(
            f'<{tag} class="{kind}">{text}</{tag}>' if kind else f"<{tag}>{text}</{tag}>" for kind, text in pairs
        )

    head = row("th", heads)
    body = "".join(f"<tr>{row('td', cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    """Return any value as HTML."""
    if value is None:
        return ABSENT
    return markup(value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _count(value: Any) -> str:
    number = _number(value)
    return ABSENT if number is None else f"{number:,.10g}"


def _number_of(value: Any, what: str, many: str = "") -> str:
    return f"{_count(value)} {what if value == 1 else many or f'{what}s'}"


def _seconds(value: Any) -> str:
    number = _number(value)
    if number is None:
        return ABSENT
    if abs(number) >= 120:
        return f"{int(number // 60)} min {int(number % 60)} s"
    return f"{number:.2f} s" if abs(number) < 10 else f"{number:.0f} s"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def _plain(value: Any) -> Any:
    """Return what JSON can hold: numbers that are none become null, other things their text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, whoever reads it meanwhile."""
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
        try:
            handle.write(text.encode("utf-8", "replace"))
            handle.flush()
            os.fsync(handle.fileno())
            Path(handle.name).chmod(0o644)
            Path(handle.name).replace(path)
        except BaseException:
            Path(handle.name).unlink(missing_ok=True)
            raise
