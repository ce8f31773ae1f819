"""Plots of a comparison, drawn on axes of their own and on those that are given."""

import html
import io
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from czsl.reliability import bins
from czsl.report.comparison_plots import (
    STYLES,
    VERDICTS,
    Line,
    Value,
    arm_styles,
    plot_arms,
    plot_differences,
    plot_ladder,
    plot_precision_recall,
    plot_sweep,
)
from czsl.report.fit_votes import plot_votes_map
from czsl.report.page import Number, Section, Table, Text, write_page
from czsl.report.picture import inline_svg
from czsl.report.plots import plot_balance, plot_confusion, plot_scores, plot_votes
from pages import read_page

VALUE = Value(mean=0.8, low=0.7, high=0.9)
ALONE = Value(mean=0.6, low=np.nan, high=np.nan)
SWEPT = {"default": Line(places=[10, 100], values=[ALONE, VALUE])}


def differences(ax=None):
    return plot_differences([("a", VALUE, "better"), ("b", ALONE, "undecided")], ax)


DRAWN = [
    lambda ax=None: plot_arms([("a", VALUE), ("b", ALONE)], ax, marked="a"),
    differences,
    lambda ax=None: plot_ladder([("a", ALONE), ("b", VALUE)], ax, steps=["+0.2"]),
    lambda ax=None: plot_precision_recall({"a": (np.ones(2), np.ones(2))}, 0.1, ax),
    lambda ax=None: plot_sweep(SWEPT, {10: "10", 100: "100"}, ax, sweep="labels"),
]


@pytest.mark.parametrize("plot", DRAWN)
def test_plots_draw_on_the_axes_that_are_given(plot):
    given = Figure().subplots()
    assert plot(given) is given
    own = plot()
    assert own is not given
    assert own.get_xlabel()
    own.figure.savefig(io.BytesIO(), format="svg")


def test_arms_differ_by_more_than_colour():
    for key in ("color", "marker"):
        assert len({str(style[key]) for style in STYLES}) == len(STYLES)
    styles = arm_styles([str(number) for number in range(10)])
    assert styles["8"] == styles["0"]
    assert len({style["marker"] for style in VERDICTS.values()}) == 3


def test_a_value_without_interval_is_a_dot_alone():
    ax = plot_arms([("a", VALUE), ("b", ALONE)])
    assert [len(line.get_xdata()) for line in ax.get_lines()] == [2, 1, 1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_ylim()[0] < ax.get_ylim()[1]
    low, high = ax.get_xlim()
    assert low < 0.6 < 0.9 < high


def test_the_arm_that_others_are_compared_with_is_marked():
    ax = plot_arms([("a", VALUE), ("b", ALONE)], marked="b")
    dots = [line for line in ax.get_lines() if len(line.get_xdata()) == 1]
    assert [dot.get_marker() for dot in dots] == ["o", "D"]
    assert to_hex(dots[1].get_color()) != to_hex(dots[0].get_color())


def test_differences_show_zero_and_the_region():
    ax = differences()
    assert list(ax.get_lines()[0].get_xdata()) == [0, 0]
    assert ax.patches[0].get_x() == -0.005
    assert not plot_differences([("a", VALUE, "worse")], region=None).patches


def test_a_ladder_says_its_steps():
    ax = plot_ladder([("a", ALONE), ("b", VALUE), ("c", VALUE)], steps=["+0.2", "0.0"])
    assert [text.get_text() for text in ax.texts] == ["+0.2", "0.0"]


def test_sweeps_are_logarithmic_where_numbers_are():
    ax = DRAWN[-1]()
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "100"]
    plain = plot_sweep(SWEPT, {0.5: "0.5"}, sweep="share", logarithmic=False)
    assert plain.get_xscale() == "linear"


def test_sections_of_groups_are_named_after_them(tmp_path):
    block = Text(text="words")
    sections = [
        Section(title="Short", blocks=[block]),
        Section(title="Arms", blocks=[block], group="one"),
        Section(title="Arms", blocks=[block], group="two"),
        Section(title="Settings", blocks=[block]),
    ]
    path = tmp_path / "page.html"
    write_page(path, title="title", lead=[], sections=sections)
    page = read_page(path)
    assert list(page.sections) == ["short", "one-arms", "two-arms", "settings"]
    groups = [given for given in page.all("li") if given.get("class") == "group"]
    assert len(groups) == 3  # one, two, and the line where Settings starts anew


def test_written_numbers_stand_in_columns_of_numbers():
    table = Table(caption="", heads=("a", "b"), rows=[["x", Number("<0.001")], ["y", 0.5]])
    assert table.words == [True, False]


NAMES = ("_hidden", "a$b$", r"$\frac", "[new]", "_")
"""Each means something to matplotlib, or cannot be set as mathematics."""

NAMED = [
    lambda: plot_arms([(name, VALUE) for name in NAMES]),
    lambda: plot_differences([(name, VALUE, "better") for name in NAMES]),
    lambda: plot_ladder([(name, VALUE) for name in NAMES], steps=NAMES[1:]),
    lambda: plot_precision_recall(dict.fromkeys(NAMES, (np.ones(2), np.ones(2))), 0.1),
    lambda: plot_sweep(dict.fromkeys(NAMES, SWEPT["default"]), {10: "10", 100: "9"}, sweep="L"),
    lambda: plot_scores([(name, {"accuracy": 0.9, "low": 0.8, "high": 1.0}) for name in NAMES]),
    lambda: plot_confusion(np.eye(5, dtype=int), NAMES, NAMES, said=NAMES[1]),
    lambda: plot_votes(bins(np.array([0.1, 0.9]), np.array([False, True])), NAMES[1]),
    lambda: plot_balance(NAMES, {"experts": [1, 2, 3, 4, 5]}),
    lambda: plot_votes_map(
        [
            {"votes": 5, "first": "a$b$", "second": "$", "share": share}
            | {f"p_{name}": share for name in NAMES}
            for share in (0.0, 1.0)
        ],
        NAMES,
    ),
]


@pytest.mark.parametrize("plot", NAMED)
def test_names_are_drawn_as_they_are(plot):
    svg = html.unescape(inline_svg(plot(), "names"))
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert (set(NAMES) if plot is not NAMED[7] else {NAMES[1]}) <= set(drawn)
    assert not any("\\$" in text for text in drawn)


@pytest.mark.parametrize("plot", [NAMED[3], NAMED[4]])
def test_a_legend_names_every_line_in_its_colour(plot):
    legend = plot().get_legend()
    shown = [text.get_text().replace("\\$", "$") for text in legend.get_texts()]
    colours = [to_hex(line.get_color()).upper() for line in legend.get_lines()]
    assert shown == list(NAMES)
    assert colours == [style["color"] for style in STYLES[: len(NAMES)]]
