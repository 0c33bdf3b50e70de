"""A stack's components and what leads to what, from the engine's state, as a picture. No input or output here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

COMPONENT = "migration:index:"
BOX, LINE, GAP, COLUMN = 236, 17, 26, 300
LONGEST = 32
"""Characters of a line of text that fit in a box."""


@dataclass
class Component:
    """Some components of one type, drawn as one box: what each is called, what they are made of, what they need."""

    kind: str
    names: list[str]
    contents: Counter[str] = field(default_factory=Counter)
    needs: set[str] = field(default_factory=set)


def components(state: Iterable[Mapping[str, Any]]) -> dict[str, Component]:
    """Return the components by key, from the resources of a stack's state; those alike in every way share a box."""
    resources = list(state)
    owners = {r["urn"]: r["urn"] for r in resources if r["type"].startswith(COMPONENT)}
    for resource in resources:
        if resource.get("custom") and resource.get("parent") in owners:
            owners[resource["urn"]] = resource["parent"]
    found = {urn: Component(urn.split("::")[-2].split(":")[-1], [urn.split("::")[-1]]) for urn in set(owners.values())}
    for resource in resources:
        owner = owners.get(resource["urn"])
        if owner is None or owner == resource["urn"]:
            continue
        found[owner].contents[resource["type"].split(":")[-1]] += 1
        wanted = {owners[urn] for urn in resource.get("dependencies") or [] if urn in owners}
        found[owner].needs |= wanted - {owner}
    return _together(found)


def _together(found: dict[str, Component]) -> dict[str, Component]:
    """Put components of one type and content into one box."""
    keys = {urn: f"{c.kind} {sorted(c.contents.items())}" for urn, c in found.items()}
    boxes: dict[str, Component] = {}
    for urn, component in sorted(found.items()):
        box = boxes.setdefault(keys[urn], Component(component.kind, [], component.contents))
        box.names += component.names
        box.needs |= {keys[need] for need in component.needs} - {keys[urn]}
    return boxes


def columns(boxes: Mapping[str, Component]) -> list[list[str]]:
    """Return the boxes' keys by column: each stands right of all it needs."""
    depth: dict[str, int] = {}

    def place(key: str, path: tuple[str, ...] = ()) -> int:
        if key not in depth:
            needs = [place(need, (*path, key)) for need in boxes[key].needs if need not in (*path, key)]
            depth[key] = 1 + max(needs, default=-1)
        return depth[key]

    for key in sorted(boxes):
        place(key)
    return [sorted(k for k in depth if depth[k] == column) for column in range(max(depth.values(), default=-1) + 1)]


def picture(title: str, boxes: Mapping[str, Component]) -> str:
    """Return the picture as SVG."""
    places: dict[str, tuple[float, float, float]] = {}
    tallest = 0.0
    for number, column in enumerate(columns(boxes)):
        y = 64.0
        for key in column:
            height = 40.0 + LINE * len(_lines(boxes[key]))
            places[key] = (24.0 + COLUMN * number, y, height)
            y += height + GAP
        tallest = max(tallest, y)
    width = max((x for x, _, _ in places.values()), default=0.0) + BOX + 24
    arrows = [_arrow(places[need], places[key]) for key in sorted(boxes) for need in sorted(boxes[key].needs)]
    drawn = [_box(boxes[key], *places[key]) for key in sorted(boxes)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {tallest:.0f}" '
            f'width="{width:.0f}" height="{tallest:.0f}" font-family="system-ui, sans-serif" font-size="12.5">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#8a94a6"/></marker></defs>',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text x="24" y="36" font-size="17" font-weight="600" fill="#1b2330">{escape(title)}</text>',
            *arrows,
            *drawn,
            "</svg>\n",
        ]
    )


def _lines(box: Component) -> Sequence[str]:
    return [f"{count} x {kind}" if count > 1 else kind for kind, count in sorted(box.contents.items())]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _box(box: Component, x: float, y: float, height: float) -> str:
    head = box.kind if len(box.names) == 1 else f"{len(box.names)} x {box.kind}"
    rows = "".join(
        f'<text x="{x + 12:.0f}" y="{y + 46 + LINE * n:.0f}" fill="#46505f">{escape(_short(line))}</text>'
        for n, line in enumerate(_lines(box))
    )
    return (
        f'<g><rect x="{x:.0f}" y="{y:.0f}" width="{BOX}" height="{height:.0f}" rx="7" fill="#f5f7fa" stroke="#c3cad6"/>'
        f'<path d="M{x + 7:.0f} {y:.0f}h{BOX - 14}a7 7 0 0 1 7 7v21h-{BOX}v-21a7 7 0 0 1 7-7z" fill="#24476f"/>'
        f'<text x="{x + 12:.0f}" y="{y + 19:.0f}" font-weight="600" fill="#ffffff">{escape(_short(head))}</text>'
        f"{rows}</g>"
    )


def _arrow(left: tuple[float, float, float], right: tuple[float, float, float]) -> str:
    """Draw from a box that is needed to the one that needs it."""
    x1, y1, x2, y2 = left[0] + BOX, left[1] + 16, right[0], right[1] + 16
    bend = max(30.0, (x2 - x1) / 2)
    return (
        f'<path d="M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2 - 2:.0f} {y2:.0f}" '
        'fill="none" stroke="#b3bccb" stroke-width="1.2" marker-end="url(#tip)"/>'
    )
