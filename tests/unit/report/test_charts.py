"""Charts: where points stand, what is escaped, that it is well-formed XML."""

import xml.etree.ElementTree as ET

import pytest

from genreid.report.charts import COLOURS, Axes, Curve, cmc_chart, line_chart, loss_chart, stroke_classes
from genreid.report.curves import MOST_POINTS
from genreid.report.loss_log import Point


def lines(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(".//polyline")


def places(line: ET.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in line.attrib["points"].split()]
    return [(float(x), float(y)) for x, y in pairs]


def numbers(svg: str, axis: str) -> list[str]:
    return [str(item.text) for item in ET.fromstring(svg).findall(f".//text[@class='{axis}']")]


def test_points_stand_where_the_axes_say() -> None:
    curve = Curve("a", (Point(0, 10.0), Point(5, 15.0), Point(10, 20.0)))
    svg = line_chart([curve], Axes((0.0, 10.0), (10.0, 20.0), "step"), "words")
    assert places(lines(svg)[0]) == [(0, 1000), (500, 500), (1000, 0)]
    assert ET.fromstring(svg).attrib["aria-label"] == "words"


def test_what_leaves_the_chart_is_cut_off() -> None:
    curve = Curve("a", (Point(0, -99.0), Point(1, 99.0)))
    svg = line_chart([curve], Axes((0.0, 1.0), (0.0, 1.0), ""), "")
    assert places(lines(svg)[0]) == [(0, 1000), (1000, 0)]


def test_one_point_is_a_dot() -> None:
    svg = loss_chart([Curve("a", (Point(20, 3.0),))], "")
    for line in lines(svg):
        assert len(places(line)) == 2
        assert len(set(places(line))) == 1


def test_texts_are_escaped() -> None:
    evil = '<script>"&'
    svg = loss_chart([Curve(evil, (Point(1, 1.0), Point(2, 2.0)))], evil)
    assert "<script" not in svg
    assert ET.fromstring(svg).attrib["aria-label"] == evil
    assert lines(svg)[0].findtext("title") == evil


def test_a_long_log_is_thinned_out_and_both_lines_are_there() -> None:
    points = tuple(Point(step, step % 7) for step in range(1, 10_001))
    faint, strong = lines(loss_chart([Curve("a", points, 3)], ""))
    assert "faint" in faint.attrib["class"]
    assert "faint" not in strong.attrib["class"]
    assert "c3" in strong.attrib["class"]
    for line in (faint, strong):
        assert len(places(line)) <= MOST_POINTS
    spread = [max(y for _, y in places(line)) - min(y for _, y in places(line)) for line in (faint, strong)]
    assert spread[0] > 3 * spread[1]


@pytest.mark.parametrize("length", [1, 2, 7, 20, 50])
def test_the_cmc_axis_ends_at_the_last_rank(length: int) -> None:
    curve = Curve("a", tuple(Point(k, 30.0 + k) for k in range(1, length + 1)))
    svg = cmc_chart([curve], "")
    assert numbers(svg, "x")[-1] == str(max(2, length))
    assert numbers(svg, "x")[0] == "1"
    assert numbers(svg, "y")[-1] == "100 %"
    assert all(0 <= x <= 1000 and 0 <= y <= 1000 for x, y in places(lines(svg)[0]))


@pytest.mark.parametrize("values", [(0.0, 0.0), (1e29, -1e29), (1e-300, 2e-300), (5.0, 5.0 + 1e-15)])
def test_odd_values_can_be_drawn(values: tuple[float, float]) -> None:
    svg = loss_chart([Curve("a", (Point(0, values[0]), Point(0, values[1])))], "")
    assert all(0 <= x <= 1000 and 0 <= y <= 1000 for line in lines(svg) for x, y in places(line))


def test_many_strokes_differ() -> None:
    assert len({stroke_classes(stroke) for stroke in range(4 * COLOURS)}) == 4 * COLOURS
