"""Charts and derived pictures of the pages, with values known by hand."""

import re

import numpy as np
import pytest

from asd.audit.web.pictures import spectrum
from asd.audit.web.svg import Axes, Bars, Series, histogram_chart, line_chart, percent, plain, strip_chart

HOSTILE = "<script>alert(1)</script>\"'"


def test_a_line_goes_through_its_points_and_breaks_at_a_gap():
    points = ((0.0, 0.0), (1.0, 10.0), (2.0, None), (3.0, 5.0), (4.0, 10.0))
    chart = line_chart(Axes("t", span_y=(0, 10)), [Series("a", "blue", points)])
    lines = [m.split() for m in re.findall(r'<polyline[^>]*points="([^"]*)"', chart.svg)]
    assert [len(line) for line in lines] == [2, 2]
    assert lines[0] == ["50.0,170.0", "144.5,28.0"]
    assert lines[1] == ["333.5,99.0", "428.0,28.0"]


def test_the_table_says_what_the_lines_say():
    one = Series("a", "blue", ((0.0, 0.5), (1.0, None)))
    other = Series("b", "grey", ((1.0, 0.25),))
    chart = line_chart(Axes("t", format_y=percent), [one, other])
    assert chart.head == ("epoch", "a", "b")
    assert chart.rows == (("0", "50%", "–"), ("1", "–", "25%"))


def test_a_bar_for_every_count_and_the_cut_where_it_is():
    bars = Bars(
        (0.0, 1.0, 2.0), {"in": (100, 0), "out": (1, 10)}, {"in": "blue", "out": "grey"}, (0.5, "cut 0.5")
    )
    chart = histogram_chart(Axes("t", x="loss"), bars)
    assert len(re.findall("<rect", chart.svg)) == 3
    assert 'class="cut" x1="144.5"' in chart.svg
    assert chart.rows == (("0 to 1", "100", "1"), ("1 to 2", "0", "10"))


def test_a_strip_says_in_or_out():
    chart = strip_chart("t", [0.0, 1.0, 2.0], [True, False, True], [(0.0, "stage 1")])
    assert re.findall(r'class="strip (\w+)"', chart.svg) == ["in", "out", "in"]
    assert chart.rows == (("0", "in"), ("1", "out"), ("2", "in"))


@pytest.mark.parametrize("points", [(), ((3.0, None),), ((3.0, 0.0),), ((0.0, float("nan")), (1.0, 1.0))])
def test_odd_data_gives_a_chart_too(points):
    assert line_chart(Axes("t"), [Series("a", "blue", points)]).svg.startswith("<svg")


def test_texts_are_escaped():
    chart = line_chart(
        Axes(HOSTILE, x=HOSTILE, y=HOSTILE, borders=((0, HOSTILE),)), [Series(HOSTILE, "blue", ((0, 1),))]
    )
    assert "<script>" not in chart.svg
    assert "style=" not in chart.svg


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567, "1,234,567"), (0.25, "0.25"), (1.23456, "1.23")]
)
def test_numbers(value, text):
    assert plain(value) == text


def test_the_spectrum_of_an_even_picture_is_one_point_in_the_middle():
    found = spectrum(np.full((3, 8, 8), 100, np.uint8))
    assert found.shape == (1, 8, 8)
    assert found[0, 4, 4] == 255
    assert found.sum() == 255


def test_stripes_stand_out_in_the_spectrum():
    stripes = np.tile(np.array([0, 200], np.uint8), (1, 8, 4))
    found = spectrum(stripes)[0]
    assert set(zip(*np.nonzero(found > 10), strict=True)) == {(4, 4), (4, 0)}
