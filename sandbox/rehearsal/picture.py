"""The rehearsal's picture: writes on both sides, replication lag and the writer's weights over time, as SVG."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import pairwise

from sandbox.rehearsal.ledger import Gap
from sandbox.rehearsal.progress import Bucket

BLUE, GREEN = "blue", "green"
WIDTH = 1000.0
LEFT, RIGHT = 52.0, 984.0
LABEL_HEIGHT = 15.0
MARKER_DISTANCE = 5.0
"""Events closer to each other than this, in pixels, share a marker."""
MOST_LABEL_ROWS = 6
CHARACTER = 6.3
"""Average width of a character in the picture's type."""


@dataclass(frozen=True)
class Series:
    """What the picture shows. All moments are seconds since 1970."""

    buckets: Sequence[Bucket] = ()
    """From the load's progress file."""
    sides: Mapping[str, str] = field(default_factory=dict)
    """Address of a server to BLUE or GREEN."""
    lag: Sequence[tuple[float, float]] = ()
    """(moment, replication lag in seconds)."""
    weights: Sequence[tuple[float, float, float]] = ()
    """(moment, weight of blue, weight of green) of the writer's name, each valid until the next."""
    events: Sequence[tuple[float, str]] = ()
    """(moment, what happened): the phases."""
    gaps: Sequence[Gap] = ()
    """Write gaps to mark, one for each switchover."""

    def span(self) -> tuple[float, float] | None:
        """Return when the load began and ended, None if it never ran."""
        if not self.buckets:
            return None
        begin, end = self.buckets[0].at - self.buckets[0].seconds, self.buckets[-1].at
        return (begin, end) if math.isfinite(begin + end) and end > begin else None


@dataclass(frozen=True)
class Frame:
    """A window of time over the picture's width."""

    begin: float
    end: float
    zero: float
    """Moment from which the axis counts."""

    def x(self, moment: float) -> float:
        """Return a moment's place, kept inside the frame."""
        share = (moment - self.begin) / (self.end - self.begin)
        return LEFT + min(1.0, max(0.0, share)) * (RIGHT - LEFT)

    def shows(self, moment: float) -> bool:
        """Say whether a moment lies in the window."""
        return self.begin <= moment <= self.end


def overview(series: Series) -> str:
    """Return the whole time of the load as an SVG element, "" if there was no load."""
    span = series.span()
    return "" if span is None else _draw(series, Frame(*span, span[0]), "The whole rehearsal")


def close_up(series: Series, gap: Gap, margin: float = 1.5) -> str:
    """Return the seconds around a write gap as an SVG element, "" if there was no load."""
    span = series.span()
    if span is None:
        return ""
    frame = Frame(gap.start - margin, gap.end + margin, span[0])
    return _draw(series, frame, "The switchover, close up")


def rates(
    buckets: Iterable[Bucket], edges: Sequence[float], count: Callable[[Bucket], float], gaps: Sequence[Gap] = ()
) -> list[float]:
    """Return `count` per second between each two neighbouring `edges`.

    A bucket is spread evenly over its time, but not into a gap that begins or ends in it: nothing was written there.
    """
    totals = [0.0] * (len(edges) - 1)
    for bucket in buckets:
        number = count(bucket)
        if not number:
            continue
        begin, end = bucket.at - bucket.seconds, bucket.at
        for gap in gaps:
            if begin < gap.start < end <= gap.end:
                end = gap.start
            elif gap.start <= begin < gap.end < end:
                begin = gap.end
        seconds = max(end - begin, 1e-6)
        for index in range(max(0, bisect_right(edges, begin) - 1), min(len(totals), bisect_right(edges, end))):
            overlap = min(end, edges[index + 1]) - max(begin, edges[index])
            totals[index] += number * max(0.0, overlap) / seconds
    return [total / (end - begin) for total, (begin, end) in zip(totals, pairwise(edges), strict=True)]


def _edges(frame: Frame, gaps: Sequence[Gap]) -> list[float]:
    """Return the bounds of the picture's steps: even, but exactly at a gap's ends so that it is drawn as it was."""
    bins = max(1, min(300, round((frame.end - frame.begin) / 0.1)))
    width = (frame.end - frame.begin) / bins
    ends = sorted({end for gap in gaps for end in (gap.start, gap.end) if frame.begin < end < frame.end})
    grid = (frame.begin + width * index for index in range(1, bins))
    inner = [edge for edge in grid if all(abs(edge - end) > width / 2 for end in ends)]
    return sorted([frame.begin, *inner, *ends, frame.end])


def markup(text: str) -> str:
    """Return any text as HTML or SVG, without the characters that neither may hold."""
    return escape("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text))


def nice_step(span: float, most: int) -> float:
    """Return a round distance for at most `most` steps over `span`: 1, 2 or 5 times a power of ten."""
    if not math.isfinite(span) or span <= 0:
        return 1.0
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def _draw(series: Series, frame: Frame, title: str) -> str:
    markers, top = _markers(series, frame)
    below, panels = top, []
    for panel in (_writes, _errors, _lag, _weights):
        drawn, height = panel(series, frame, below + 20)
        panels += drawn
        below += height
    bands, lengths = _bands(series, frame, top, below)
    parts = [*bands, *_time_axis(frame, below, top), *panels, *_lines(markers, top, below), *lengths]
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {below + 38:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


HATCH = (
    '<svg class="hatch" aria-hidden="true"><defs>'
    '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="green-ground" width="6" height="6"/><rect class="green-stripe" width="2" height="6"/>'
    "</pattern></defs></svg>"
)
"""What green's areas are filled with. A page that shows pictures must hold it once."""


def _writes(series: Series, frame: Frame, top: float) -> tuple[list[str], float]:
    height = 190.0
    edges = _edges(frame, series.gaps)
    values = {
        side: rates(series.buckets, edges, partial(_on, sides=series.sides, side=side), series.gaps)
        for side in (BLUE, GREEN)
    }
    highest = max([1.0, *values[BLUE], *values[GREEN]])
    step = nice_step(highest * 1.08, 4)
    ceiling = math.ceil(highest * 1.08 / step) * step
    parts = _scale(top, height, ceiling, step, "acknowledged writes per second")
    for side in (BLUE, GREEN):
        points = []
        for (begin, end), value in zip(pairwise(edges), values[side], strict=True):
            y = top + height * (1 - value / ceiling)
            points += [(frame.x(begin), y), (frame.x(end), y)]
        parts.append(_area(points, top + height, side))
        parts += _runs(points, top + height, side)
    return parts, height + 22


def _errors(series: Series, frame: Frame, top: float) -> tuple[list[str], float]:
    seen = [b for b in series.buckets if frame.shows(b.at) and _total(b)]
    if not seen:
        return [], 0.0
    height = 34.0
    highest = max(float(_total(b)) for b in seen)
    parts = _scale(top, height, highest, highest, "errors the application met, in each 100 ms")
    for bucket in seen:
        number = _total(bucket)
        x, tall = frame.x(bucket.at - bucket.seconds), height * number / highest
        wide = max(1.5, frame.x(bucket.at) - x)
        parts.append(
            f'<rect class="error" x="{x:.1f}" y="{top + height - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">'
            f"<title>{markup(', '.join(f'{n} {what}' for what, n in bucket.errors.items()))}</title></rect>"
        )
    return parts, height + 22


def _total(bucket: Bucket) -> int:
    return sum(bucket.errors.values())


def _lag(series: Series, frame: Frame, top: float) -> tuple[list[str], float]:
    points = [(moment, lag) for moment, lag in series.lag if math.isfinite(moment + lag) and frame.shows(moment)]
    if not points:
        return [], 0.0
    height = 56.0
    highest = max([0.1, *(lag for _, lag in points)])
    step = nice_step(highest, 2)
    ceiling = math.ceil(highest / step) * step
    line = " ".join(f"{frame.x(m):.1f},{top + height * (1 - max(0.0, lag) / ceiling):.1f}" for m, lag in points)
    parts = _scale(top, height, ceiling, step, "replication lag, seconds")
    return [*parts, f'<polyline class="lag" points="{line}"/>'], height + 22


def _weights(series: Series, frame: Frame, top: float) -> tuple[list[str], float]:
    known = [entry for entry in series.weights if math.isfinite(sum(entry))]
    if not known:
        return [], 0.0
    height = 30.0
    parts = _scale(top, height, 100, 100, "share of the writer's name, %")
    ends = [*(moment for moment, _, _ in known[1:]), frame.end]
    for (begin, blue, green), end in zip(known, ends, strict=True):
        if end <= frame.begin or begin >= frame.end:
            continue
        x, wide = frame.x(begin), frame.x(end) - frame.x(begin)
        tall = height * blue / (blue + green) if blue + green > 0 else 0.0
        for side, y, size in ((GREEN, top, height - tall), (BLUE, top + height - tall, tall)):
            if size > 0 and blue + green > 0:
                parts.append(
                    f'<rect class="{side} area" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{size:.1f}"/>'
                )
    return parts, height + 22


def _on(bucket: Bucket, sides: Mapping[str, str], side: str) -> float:
    return float(sum(number for address, number in bucket.acknowledged.items() if sides.get(address) == side))


def _area(points: Sequence[tuple[float, float]], bottom: float, side: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    closed = f"{points[0][0]:.1f},{bottom:.1f} {path} {points[-1][0]:.1f},{bottom:.1f}"
    return f'<polygon class="{side} area" points="{closed}"/>'


def _runs(points: Sequence[tuple[float, float]], bottom: float, side: str) -> list[str]:
    """Return the outline where there are writes, and the side's name in its longest stretch."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point[1] < bottom - 0.01:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    parts = [
        f'<polyline class="{side} line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in run)}"/>'
        for run in runs
        if run
    ]
    longest = max(runs, key=lambda run: run[-1][0] - run[0][0] if run else 0.0)
    name = "blue (source)" if side == BLUE else "green (target)"
    if longest and longest[-1][0] - longest[0][0] > CHARACTER * len(name) + 12:
        middle = (longest[0][0] + longest[-1][0]) / 2
        parts.append(f'<text class="{side} name" x="{middle:.1f}" y="{bottom - 10:.1f}">{name}</text>')
    return parts


def _scale(top: float, height: float, ceiling: float, step: float, label: str) -> list[str]:
    """Return a panel's grid, the numbers at its left and its title above it."""
    parts = [f'<text class="title" x="{LEFT:.0f}" y="{top - 5:.1f}">{escape(label)}</text>']
    for index in range(round(ceiling / step) + 1):
        value = index * step
        y = top + height * (1 - value / ceiling)
        kind = "axis" if index == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{LEFT:.0f}" x2="{RIGHT:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="number" x="{LEFT - 6:.0f}" y="{y + 4:.1f}">{value:,.10g}</text>')
    return parts


def _time_axis(frame: Frame, y: float, top: float) -> list[str]:
    step = nice_step(frame.end - frame.begin, 10)
    parts = []
    tick = math.ceil((frame.begin - frame.zero) / step)
    while (moment := frame.zero + tick * step) <= frame.end:
        x = frame.x(moment)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{y + 15:.1f}">{tick * step:,.10g}</text>')
        tick += 1
    parts.append(
        f'<text class="tick" x="{(LEFT + RIGHT) / 2:.0f}" y="{y + 32:.1f}">seconds since the load began</text>'
    )
    return parts


@dataclass(frozen=True)
class _Marker:
    x: float
    label: str
    row: int
    anchor: str


def _markers(series: Series, frame: Frame) -> tuple[list[_Marker], float]:
    """Return a marker for each event, near ones joined, their labels in rows so that none covers another."""
    groups: list[list[tuple[float, str]]] = []
    for moment, what in sorted(event for event in series.events if math.isfinite(event[0]) and frame.shows(event[0])):
        if groups and frame.x(moment) - frame.x(groups[-1][-1][0]) < MARKER_DISTANCE:
            groups[-1].append((moment, what))
        else:
            groups.append([(moment, what)])
    markers: list[_Marker] = []
    occupied: list[float] = []
    for group in groups:
        x = frame.x(group[0][0])
        label = group[0][1] if len(group) == 1 else f"{group[0][1]} … {group[-1][1]}"
        label = label if len(label) <= 48 else f"{label[:47]}…"
        wide = CHARACTER * len(label) + 10
        left = x if x + wide < RIGHT else x - wide
        row = next((row for row, end in enumerate(occupied) if end < min(left, x)), len(occupied))
        row = min(row, MOST_LABEL_ROWS - 1)
        occupied += [0.0] * (row + 1 - len(occupied))
        occupied[row] = max(occupied[row], left + wide)
        markers.append(_Marker(x, label, row, "start" if left == x else "end"))
    return markers, LABEL_HEIGHT * (len(occupied) + 1) + 4


def _lines(markers: Iterable[_Marker], bottom_of_labels: float, bottom: float) -> list[str]:
    parts = []
    for marker in markers:
        y = bottom_of_labels - LABEL_HEIGHT * (marker.row + 1) - 2
        beside = marker.x + (4 if marker.anchor == "start" else -4)
        parts.append(
            f'<line class="marker" x1="{marker.x:.1f}" x2="{marker.x:.1f}" y1="{y - 9:.1f}" y2="{bottom:.1f}"/>'
        )
        parts.append(
            f'<text class="event" text-anchor="{marker.anchor}" x="{beside:.1f}" y="{y:.1f}">'
            f"{markup(marker.label)}</text>"
        )
    return parts


def _bands(series: Series, frame: Frame, top: float, bottom: float) -> tuple[list[str], list[str]]:
    """Return the write gaps as bands, and the length of each to be written over everything else."""
    bands, labels = [], []
    for gap in series.gaps:
        if gap.end < frame.begin or gap.start > frame.end:
            continue
        x, wide = frame.x(gap.start), max(2.0, frame.x(gap.end) - frame.x(gap.start))
        bands.append(f'<rect class="gap" x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{bottom - top:.1f}"/>')
        text = f"no write for {gap.seconds:.2f} s"
        middle = min(RIGHT - 60, max(LEFT + 60, x + wide / 2))
        labels.append(f'<text class="gap-label" x="{middle:.1f}" y="{top + 26:.1f}">{text}</text>')
    return bands, labels
