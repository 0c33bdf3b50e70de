"""The report: its verdict, its picture, and that nothing odd breaks or leaves the page."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sandbox.rehearsal import report
from sandbox.rehearsal.ledger import Gap
from sandbox.rehearsal.picture import BLUE, GREEN, Series, close_up, nice_step, overview, rates
from sandbox.rehearsal.progress import Bucket

T0 = 1_795_000_000.0
REPORT: dict[str, Any] = {
    **{"engine": "cached", "source_version": "16.14", "target_version": "18.4", "resources_created": 143},
    **{"rows_loaded": 299_954, "acknowledged_writes": 28_123, "lost_writes": 0, "duplicated_writes": 0},
    **{"client_errors": 512, "write_gap_seconds": 0.91, "fence_to_open_seconds": 0.8},
    "validation": {"tables": 28, "rows": 301_234, "mismatches": []},
    "phases": {"deploy": 14.2, "switchover": 3.2},
    "writable_sides": {
        **{"both_instants": 0, "neither_seconds": 0.77, "tries": 2_468},
        "accepted": {"blue": 1_357, "green": 864},
    },
}


def series() -> Series:
    buckets = []
    for index in range(200):
        moment = T0 + (index + 1) * 0.1
        closed = 100 <= index < 108
        side = "127.0.0.2" if index < 100 else "127.0.0.3"
        buckets.append(Bucket(moment, 0.1, {} if closed else {side: 30}, {"timeout": 3} if closed else {}, side))
    return Series(
        buckets,
        {"127.0.0.2": BLUE, "127.0.0.3": GREEN},
        [(T0 + n, 0.1 * n) for n in range(20)],
        [(T0 - 5, 100, 0), (T0 + 10.5, 0, 100)],
        [(T0 + 10.0, "fence"), (T0 + 10.02, "drain"), (T0 + 10.7, "open <now>")],
        [Gap(0.83, T0 + 9.99, T0 + 10.82)],
    )


class Page(HTMLParser):
    """Checks that elements are closed in order; collects what a browser would load."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_good_rehearsal_says_so_and_shows_its_numbers() -> None:
    text = report.page(REPORT, series())
    page = Page(text)
    assert report.passed(REPORT) and "No acknowledged write was lost" in text
    for shown in (
        "0.91 s",
        "0.80 s",
        "28,123",
        "299,954",
        "16.14",
        "18.4",
        "143",
        "deploy",
        "14 s",
        "512",
        "0.77 s",
        "2,468",
    ):
        assert shown in text, shown
    assert page.loads == [] and "script" not in page.tags and "@import" not in text and "http" not in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lost_writes": 1}, "1 acknowledged write lost"),
        ({"lost_writes": 3}, "3 acknowledged writes lost"),
        ({"duplicated_writes": 2}, "2 writes carried out twice"),
        ({"validation": {"tables": 1, "rows": 1, "mismatches": ["public.t differs"]}}, "1 table different"),
        ({"validation": {}}, "Not proven"),
        ({"lost_writes": None}, "Not proven"),
        ({"acknowledged_writes": 0}, "Not proven"),
        ({"writable_sides": {**REPORT["writable_sides"], "both_instants": 1}}, "1 try met that"),
        ({"writable_sides": {**REPORT["writable_sides"], "both_instants": 7}}, "7 tries met that"),
        ({"writable_sides": {**REPORT["writable_sides"], "accepted": {"blue": 5, "green": 0}}}, "Not proven"),
        ({"writable_sides": {}}, "Not proven"),
        ({"lost_writes": math.nan}, "lost"),
    ],
)
def test_anything_less_is_not_a_good_verdict(change: dict[str, Any], says: str) -> None:
    changed = {**REPORT, **change}
    assert not report.passed(changed)
    text = report.page(changed, series())
    assert says in text and "No acknowledged write was lost" not in text and 'class="verdict bad"' in text


def test_files_are_written_whole_and_agree(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    report.write(folder, REPORT, series())
    assert json.loads((folder / "report.json").read_text()) == REPORT
    assert (folder / "report.html").read_text().endswith("</html>\n")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report.write(tmp_path, REPORT, series())
    before = (tmp_path / "report.json").read_text()

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(report.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        report.write(tmp_path, {**REPORT, "lost_writes": 5}, series())
    assert (tmp_path / "report.json").read_text() == before
    assert len(list(tmp_path.iterdir())) == 2


EVIL = "</title><script>alert('x')</script>\"'&\x00\x1b[31m\ud800😀"


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    evil: dict[str, Any] = {
        **dict.fromkeys(("engine", "source_version", "target_version", "host", "provider", EVIL), EVIL),
        "phases": {EVIL: 1.0},
        "client_errors_by_class": {EVIL: 2},
        "switchover": {"status": EVIL, "steps": {EVIL: [1.0, 2.0]}, EVIL: {EVIL: EVIL}},
        "resources": {EVIL: 3},
        "versions": {EVIL: EVIL},
        "verification": {"lost": [EVIL], "duplicated": [EVIL]},
        "validation": {
            "mismatches": [EVIL],
            "differences": [EVIL],
            "by_table": [{"table": EVIL, "source_rows": 1, "equal": False}],
        },
    }
    marked = Series(series().buckets, series().sides, events=[(T0 + 1, EVIL)])
    report.write(tmp_path, evil, marked)
    text = (tmp_path / "report.html").read_text()
    assert "script" not in Page(text).tags and "\x00" not in text and "\x1b" not in text
    json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"phases": None, "validation": None, "client_errors_by_class": 3, "resources": [], "versions": "x"},
        {"verification": 5, "switchover": {"steps": {"a": None, "b": [1.0], "c": [math.nan, 2], "d": "xy"}}},
        {"phases": {"a": None, "b": math.inf, "c": 0, "d": "x", "e": -1.0}},
        {"acknowledged_writes": math.nan, "write_gap_seconds": math.inf, "client_errors": True},
        {"validation": {"mismatches": 2, "by_table": [3, {}, {"table": None}], "tables": "many"}},
        {"when": Path("/x"), "set": {1, 2}, "deep": {"a": [math.nan]}, 5: 6},
        {"rows_loaded": 10**30, "fence_to_open_seconds": 86_400.0},
    ],
)
def test_odd_reports_are_shown_all_the_same(odd: dict[str, Any], tmp_path: Path) -> None:
    report.write(tmp_path, odd, series())
    Page((tmp_path / "report.html").read_text())
    json.loads((tmp_path / "report.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


SIDES = {"127.0.0.2": BLUE}


@pytest.mark.parametrize(
    "odd",
    [
        Series(),
        Series([Bucket(T0, 0.0, {}, {}, "")]),
        Series([Bucket(T0, 0.1, {}, {}, "")], SIDES),
        Series([Bucket(T0, 0.1, {"elsewhere": 5}, {}, "")], SIDES),
        Series([Bucket(math.nan, 0.1, {}, {}, "")]),
        Series([Bucket(T0, 0.1, {"127.0.0.2": 10**9}, {"x": 10**9}, "")], SIDES),
        Series([Bucket(T0, 86_400.0, {"127.0.0.2": 1}, {}, "")], SIDES),
        Series(
            [Bucket(T0, 1.0, {"127.0.0.2": 5}, {}, "")],
            SIDES,
            lag=[(T0, math.nan), (T0 - 0.5, -1.0), (T0 - 9.0, 5.0)],
            weights=[(T0 - 0.5, 0, 0), (T0, math.nan, 1), (T0 + 5, 1, 1)],
            events=[(math.nan, "a"), (T0 - 9.0, "b"), (T0 - 0.5, "c" * 500), (T0, "")],
            gaps=[Gap(0.0, T0, T0), Gap(5.0, T0 - 900, T0 - 895), Gap(1.0, T0 + 5, T0 + 6)],
        ),
    ],
)
def test_odd_series_are_drawn_or_left_out(odd: Series) -> None:
    text = report.page(REPORT, odd)
    Page(text)
    for drawing in re.findall(r"<svg viewBox.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawing)
        assert "nan" not in re.sub(r"<title>.*?</title>", "", drawing) and "inf" not in drawing


def test_the_picture_shows_both_sides_the_gap_and_the_phases() -> None:
    drawing = ElementTree.fromstring(overview(series()))
    texts = [element.text for element in drawing.iter("text")]
    assert {"blue (source)", "green (target)", "no write for 0.83 s", "seconds since the load began"} <= set(texts)
    assert any("fence" in (text or "") for text in texts)
    near = [element.text for element in ElementTree.fromstring(close_up(series(), series().gaps[0])).iter("text")]
    assert "open <now>" in near and "no write for 0.83 s" in near


def test_the_gap_is_drawn_where_it_was() -> None:
    drawing = ElementTree.fromstring(overview(series()))
    [band] = [element for element in drawing.iter("rect") if element.get("class") == "gap"]
    left, right = 52.0, 984.0
    begin = left + (right - left) * 9.99 / 20.0
    assert float(band.get("x") or 0) == pytest.approx(begin, abs=0.2)
    assert float(band.get("width") or 0) == pytest.approx((right - left) * 0.83 / 20.0, abs=0.2)


def test_rates_are_per_second_and_lose_nothing() -> None:
    buckets = [Bucket(T0 + (n + 1) * 0.103, 0.103, {"a": n}, {}, "") for n in range(50)]
    edges = [T0 + n * 0.25 for n in range(22)]
    found = rates(buckets, edges, lambda bucket: float(bucket.acknowledged["a"]))
    assert sum(found) * 0.25 == pytest.approx(sum(range(50)))
    assert rates([Bucket(T0 + 1.0, 1.0, {"a": 40}, {}, "")], [T0, T0 + 0.5, T0 + 1], lambda b: 40.0) == [40.0, 40.0]


@pytest.mark.parametrize(
    ("span", "most", "step"), [(10, 10, 1), (11, 10, 2), (0.87, 5, 0.2), (3600, 10, 500), (0, 4, 1)]
)
def test_axes_have_round_steps(span: float, most: int, step: float) -> None:
    assert nice_step(span, most) == pytest.approx(step)


def test_writes_are_not_drawn_into_a_gap() -> None:
    gap = Gap(0.5, T0 + 1.03, T0 + 1.53)
    buckets = [
        Bucket(T0 + 1.1, 0.1, {"a": 3}, {}, ""),
        Bucket(T0 + 1.2, 0.1, {}, {}, ""),
        Bucket(T0 + 1.6, 0.1, {"a": 7}, {}, ""),
    ]
    edges = [T0 + 0.5, T0 + 1.03, T0 + 1.53, T0 + 2.0]
    found = rates(buckets, edges, lambda bucket: float(sum(bucket.acknowledged.values())), [gap])
    assert found == pytest.approx([3 / 0.53, 0.0, 7 / 0.47], rel=1e-5)


def test_what_else_is_known_is_shown_in_words() -> None:
    more = {
        **REPORT,
        "engine": {"line": "built here", "version": "3.250.0"},
        "client_errors_by_class": {"timeout": 512},
        "verification": {"lost": ["insert x is not there"], "duplicated": []},
        "validation": {"mismatches": 1, "tables": 3, "rows": 4, "differences": ["public.t differs"]},
        "switchover": {"status": "SUCCEEDED", "steps": {"open": [12.5, 12.75], "fence": [12.0, 12.05], "bake": [13.0]}},
        "stack_config": "sandbox",
    }
    text = report.page(more, series())
    for shown in ("engine: version", "built here", "insert x is not there", "public.t differs", "switchover: status"):
        assert shown in text, shown
    assert "stack config" in text and ">timeout<" in text
    inside = text[text.index("Inside the switchover") :]
    assert inside.index(">fence<") < inside.index(">open<") and "0.05 s" in inside and "0.25 s" in inside
