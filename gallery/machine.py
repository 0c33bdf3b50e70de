"""The switchover's machine as a picture, from its definition: `python -m gallery.machine` writes it for the docs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from components.switchover_machine import STEPS, definition
from sandbox.paths import REPOSITORY

PATH = REPOSITORY / "docs" / "pictures" / "switchover-machine.svg"
BOX, HEAD, LINE, GAP, COLUMN, LEFT, TOP = 190, 44, 19, 30, 330, 150, 72
FAILURE = "an error"
COLOURS = {"Task": "#24476f", "Wait": "#5f6b7a", "Succeed": "#23724a", "Fail": "#8d3b2c"}
ENDS = ("Succeed", "Fail")
States = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Way:
    """What leads from a state to another: an outcome, an error, or nothing but the state's end."""

    outcome: str
    target: str


def ways(states: States, name: str) -> list[Way]:
    """Return the ways out of a state. A choice is no state of its own here: it says which outcome leads where."""
    state = states[name]
    found = []
    following = state.get("Next")
    if following and states[following]["Type"] == "Choice":
        choice = states[following]
        found += [Way(c["StringEquals"], c["Next"]) for c in choice["Choices"]]
        found.append(Way("anything else", choice["Default"]))
    elif following:
        found.append(Way("then", following))
    return [*found, *(Way(FAILURE, catch["Next"]) for catch in state.get("Catch", []))]


def columns(states: States, start: str) -> list[list[str]]:
    """Return the states in three columns: the way where all goes well, what mends, and the other ends."""
    well = [start]
    while states[well[-1]]["Type"] not in ENDS:
        onwards = [way.target for way in ways(states, well[-1]) if way.outcome != FAILURE and way.target not in well]
        well.append(next((name for name in onwards if states[name]["Type"] not in ENDS), onwards[-1]))
    others = [name for name, state in states.items() if name not in well and state["Type"] != "Choice"]
    mending = [name for name in others if states[name]["Type"] not in ENDS]
    whence = {
        name: [
            place for place, source in enumerate(well + mending) for way in ways(states, source) if way.target == name
        ]
        for name in others
    }
    ends = sorted((name for name in others if name not in mending), key=lambda n: sum(whence[n]) / len(whence[n]))
    return [well, mending, ends]


def picture(machine: Mapping[str, Any]) -> str:
    """Return a machine as SVG."""
    states: States = machine["States"]
    drawn = columns(states, machine["StartAt"])
    heights = {name: HEAD + LINE * len(ways(states, name)) for column in drawn for name in column}
    tallest = max(sum(heights[name] + GAP for name in column) for column in drawn)
    places: dict[str, tuple[float, float]] = {}
    for number, column in enumerate(drawn):
        room = (tallest - sum(heights[name] for name in column)) / len(column)
        y = float(TOP)
        for name in column:
            places[name] = (LEFT + COLUMN * number, y)
            y += heights[name] + room
    width, height = LEFT + COLUMN * 2 + BOX + 30, tallest + TOP
    arrows = [
        _arrow(places, heights, drawn, name, row, way) for name in places for row, way in enumerate(ways(states, name))
    ]
    boxes = [_box(states, name, places[name], heights[name]) for name in places]
    tips = "".join(
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for kind, colour in (("tip", "#7d8798"), ("broken", "#c0614f"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" font-family="system-ui, sans-serif" font-size="12.5">',
            f"<title>{escape(machine['Comment'])}</title>",
            f'<defs>{tips}</defs><rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text x="24" y="36" font-size="17" font-weight="600" fill="#1b2330">{escape(machine["Comment"])}</text>',
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def _what(state: Mapping[str, Any]) -> str:
    """Say in a few words what a state is."""
    if state["Type"] == "Task":
        return f"{state['Parameters']['FunctionName']}, {state['TimeoutSeconds']} s at most"
    return {"Wait": "waits", "Succeed": "succeeded", "Fail": "failed"}[state["Type"]]


def _box(states: States, name: str, place: tuple[float, float], height: float) -> str:
    x, y = place
    rows = "".join(
        f'<text x="{x + 12:.0f}" y="{y + HEAD + LINE * row + 13:.1f}" fill="#46505f">{escape(way.outcome)}</text>'
        for row, way in enumerate(ways(states, name))
    )
    colour = COLOURS[states[name]["Type"]]
    return (
        f'<g><rect x="{x:.0f}" y="{y:.1f}" width="{BOX}" height="{height:.0f}" rx="7" fill="#f5f7fa" stroke="#c3cad6"/>'
        f'<rect x="{x:.0f}" y="{y:.1f}" width="{BOX}" height="{HEAD - 5}" rx="7" fill="{colour}"/>'
        f'<text x="{x + 12:.0f}" y="{y + 16:.1f}" font-weight="600" fill="#ffffff">{escape(name)}</text>'
        f'<text x="{x + 12:.0f}" y="{y + 32:.1f}" font-size="11" fill="#d5dbe4">{escape(_what(states[name]))}</text>'
        f"{rows}</g>"
    )


def _arrow(
    places: Mapping[str, tuple[float, float]],
    heights: Mapping[str, float],
    drawn: Sequence[Sequence[str]],
    name: str,
    row: int,
    way: Way,
) -> str:
    """Draw a way from its row to the head of the state it leads to."""
    (x1, y1), (x2, y2) = places[name], places[way.target]
    out, into = y1 + HEAD + LINE * row + 9, y2 + 18
    column = next(c for c in drawn if name in c)
    place = column.index(name)
    if column[place + 1 : place + 2] == [way.target]:
        path = f"M{x1 + BOX / 2:.0f} {y1 + heights[name]:.1f}V{y2 - 2:.1f}"
    elif x1 == x2:
        bend = 34 + abs(into - out) / 9
        path = f"M{x1:.0f} {out:.1f}C{x1 - bend:.0f} {out:.1f} {x2 - bend:.0f} {into:.1f} {x2 - 2:.0f} {into:.1f}"
    elif x1 < x2:
        path = (
            f"M{x1 + BOX:.0f} {out:.1f}C{x1 + BOX + 70:.0f} {out:.1f} {x2 - 70:.0f} {into:.1f} {x2 - 2:.0f} {into:.1f}"
        )
    else:
        into += 9
        side = x2 + BOX
        path = f"M{x1:.0f} {out:.1f}C{x1 - 70:.0f} {out:.1f} {side + 70:.0f} {into:.1f} {side + 2:.0f} {into:.1f}"
    failed = way.outcome == FAILURE
    line = 'stroke="#c0614f" stroke-dasharray="5 4"' if failed else 'stroke="#7d8798"'
    return (
        f'<path d="{path}" fill="none" {line} stroke-width="1.2" marker-end="url(#{"broken" if failed else "tip"})"/>'
    )


def current() -> str:
    """Return the picture of the machine as it is declared."""
    return picture(definition({step: step for step in STEPS}))


if __name__ == "__main__":
    PATH.write_text(current())
