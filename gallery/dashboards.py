"""A CloudWatch dashboard as a picture: its own layout, the metrics a cloud holds. No input or output here."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

UNIT = 50
"""Pixels of a dashboard's unit: it is 24 units wide."""
COLOURS = ("#1f77b4", "#e4572e", "#2a9d5c", "#8e5bb5", "#c98a00", "#0f8b8d", "#d14d8b", "#5f6b7a")
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 38, 44
SHARES = (0.0, 0.5, 1.0)
"""Where an axis has its marks."""
LONGEST = 36
"""Characters of a legend's label."""
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Query:
    """A metric of a widget: which one, and how the widget wants it added up."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    label: str
    right: bool = False
    """Whether it has the axis on the right."""


def queries(widget: Mapping[str, Any]) -> list[Query]:
    """Return the metrics of a widget. They are flat arrays: namespace, name, dimension, value …, and maybe options."""
    properties = widget.get("properties", {})
    found: list[Query] = []
    metrics = [metric for metric in properties.get("metrics", []) if not isinstance(metric[0], Mapping)]
    names = [metric[1] for metric in metrics]
    for metric in metrics:
        options = metric[-1] if isinstance(metric[-1], Mapping) else {}
        parts = [part for part in metric if not isinstance(part, Mapping)]
        pairs = tuple(zip(parts[2::2], parts[3::2], strict=True))
        # As CloudWatch does: what differs between the lines is what names them.
        label = options.get("label") or (parts[1] if names.count(parts[1]) == 1 or not pairs else pairs[-1][1])
        stat = options.get("stat", properties.get("stat", "Average"))
        found.append(Query(parts[0], parts[1], pairs, stat, label, options.get("yAxis") == "right"))
    return found


def log_group(widget: Mapping[str, Any]) -> str | None:
    """Return the log group a widget queries, None where it is no log widget."""
    found = re.match(r"SOURCE '([^']+)'", widget.get("properties", {}).get("query", ""))
    return found[1] if widget["type"] == "log" and found else None


def picture(
    body: Mapping[str, Any],
    values: Mapping[Query, Points],
    logs: Mapping[str, Sequence[str]],
    span: tuple[float, float],
) -> str:
    """Return a dashboard as SVG.

    `values` are (seconds since 1970, value) by query, `logs` the lines found by log group, `span` the first and the
    last moment to show.
    """
    widgets = body["widgets"]
    width = UNIT * max((w.get("x", 0) + w["width"] for w in widgets), default=24)
    height = UNIT * max((w.get("y", 0) + w["height"] for w in widgets), default=1)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="system-ui, sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="#eef1f5"/>',
            *(_widget(widget, values, logs, span) for widget in widgets),
            "</svg>\n",
        ]
    )


def _widget(
    widget: Mapping[str, Any],
    values: Mapping[Query, Points],
    logs: Mapping[str, Sequence[str]],
    span: tuple[float, float],
) -> str:
    x, y = UNIT * widget.get("x", 0) + 4, UNIT * widget.get("y", 0) + 4
    w, h = UNIT * widget["width"] - 8, UNIT * widget["height"] - 8
    properties = widget.get("properties", {})
    group = log_group(widget)
    if widget["type"] == "metric":
        lines = properties.get("annotations", {}).get("horizontal", [])
        inside = _chart(queries(widget), values, [float(line["value"]) for line in lines], span, w, h)
    elif group is not None:
        inside = _lines(logs.get(group, ()) or ["nothing was logged"], w, h)
    else:
        inside = _lines(properties.get("markdown", "").splitlines(), w, h)
    return (
        f'<g transform="translate({x} {y})"><rect width="{w}" height="{h}" rx="6" fill="#ffffff" stroke="#d5dbe4"/>'
        f'<text x="14" y="21" font-weight="600" fill="#1b2330">{escape(properties.get("title", ""))}</text>{inside}</g>'
    )


def _lines(lines: Sequence[str], width: int, height: int) -> str:
    room, most = (height - 50) // 16, (width - 28) // 7
    return "".join(
        f'<text x="14" y="{46 + 16 * n}" fill="#5f6b7a">{escape(line[:most])}</text>'
        for n, line in enumerate(lines[:room])
    )


def _chart(
    wanted: Sequence[Query],
    values: Mapping[Query, Points],
    thresholds: Sequence[float],
    span: tuple[float, float],
    width: int,
    height: int,
) -> str:
    drawn = [(query, values.get(query, ())) for query in wanted]
    if not any(line for _, line in drawn):
        place = f'x="{width / 2:.0f}" y="{height / 2:.0f}" text-anchor="middle"'
        return f'<text {place} fill="#8a94a6">no data in a sandbox</text>' + _legend(drawn, height)
    has_right = any(query.right and line for query, line in drawn)
    begin, end = span
    last, bottom = width - (LEFT if has_right else RIGHT), height - BOTTOM
    across = (last - LEFT) / (end - begin)
    parts = [f'<path d="M{LEFT} {bottom - share * (bottom - TOP):.1f}H{last}" stroke="#e3e8ef"/>' for share in SHARES]
    for is_right in (False, True):
        numbered = [(n, line) for n, (query, line) in enumerate(drawn) if query.right is is_right and line]
        if not numbered:
            continue
        lines = () if is_right else thresholds
        top = ceiling(max(value for _, line in numbered for _, value in (*line, *((0.0, at) for at in lines))))
        place = f'x="{last + 6}"' if is_right else f'x="{LEFT - 6}" text-anchor="end"'
        for share in SHARES:
            y = bottom - share * (bottom - TOP) + 4
            parts.append(f'<text {place} y="{y:.1f}" fill="#5f6b7a">{amount(share * top)}</text>')
        up = (bottom - TOP) / top
        parts += [
            f'<path d="M{LEFT} {bottom - up * at:.1f}H{last}" stroke="#d13212" stroke-dasharray="5 4"/>' for at in lines
        ]
        for number, line in numbered:
            path = " ".join(
                f"{LEFT + across * (moment - begin):.1f},{bottom - up * value:.1f}" for moment, value in line
            )
            colour = COLOURS[number % len(COLOURS)]
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
    parts.append(
        f'<text x="{last}" y="{bottom + 15}" text-anchor="end" fill="#8a94a6">{end - begin:.0f} s in a sandbox</text>'
    )
    return "".join(parts) + _legend(drawn, height)


def _legend(drawn: Sequence[tuple[Query, Points]], height: int) -> str:
    parts, x = [], 14.0
    for number, (query, line) in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)] if line else "#c3cad6"
        label = query.label if len(query.label) <= LONGEST else query.label[: LONGEST - 1] + "…"
        parts.append(f'<rect x="{x:.0f}" y="{height - 19}" width="9" height="9" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{x + 13:.0f}" y="{height - 11}" fill="#46505f">{escape(label)}</text>')
        x += 26 + 7.2 * len(label)
    return "".join(parts)


def ceiling(most: float) -> float:
    """Return a round number not below `most` to end an axis with."""
    if most <= 0:
        return 1.0
    step: float = 10.0 ** math.floor(math.log10(most))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= most)


def amount(value: float) -> str:
    """Return a number as an axis shows it."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
