"""The pieces that reports are made of."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from czsl.errors import WriteError
from czsl.reliability import bins
from czsl.report.galleries import doubted, farthest, least_sure, surest
from czsl.report.page import Card, Gallery, Items, Section, Table, Text, write_page
from czsl.report.picture import LARGEST, cutout_address, inline_svg
from czsl.report.plots import (
    plot_balance,
    plot_confusion,
    plot_history,
    plot_reliability,
    plot_scores,
    plot_votes,
)
from czsl.report.tables import confusion_table
from pages import read_page

SCORE = {"accuracy": 0.9, "low": 0.8, "high": 0.95}
BINS = bins(np.array([0.05, 0.55, 0.95, 1.0]), np.array([False, True, True, False]))
EPOCHS = [
    {"fold": fold, "epoch": epoch, "loss": 1 / epoch, "held_out": None if fold == 2 else 0.5}
    for fold in (1, 2)
    for epoch in (1, 2, 3)
]
PLOTS = {
    "scores": lambda ax: plot_scores([("majority", SCORE), ("image", SCORE)], ax),
    "history": lambda ax: plot_history(EPOCHS, ax),
    "confusion": lambda ax: plot_confusion(np.eye(2, dtype=int), ["a", "b"], ["a", "b"], ax),
    "reliability": lambda ax: plot_reliability(BINS, ax, before=BINS),
    "votes": lambda ax: plot_votes(BINS, "early", ax),
    "balance": lambda ax: plot_balance(["a", "b"], {"experts": [3, 0], "votes": [1, 2]}, ax),
}


@pytest.mark.parametrize("name", list(PLOTS))
def test_plots_draw_on_axes_that_are_given_or_new(name):
    own = Figure().subplots()
    assert PLOTS[name](own) is own
    made = PLOTS[name](None)
    assert made is not own
    assert made.figure is not own.figure
    assert 'role="img"' in inline_svg(made, "what it shows")


def test_a_plot_leaves_the_settings_of_matplotlib_as_they_are():
    before = dict(matplotlib.rcParams)
    inline_svg(PLOTS["scores"](None), "scores")
    assert dict(matplotlib.rcParams) == before


def test_lines_of_the_history_are_the_epochs():
    lines = {line.get_linestyle(): [] for line in plot_history(EPOCHS).lines}
    for line in plot_history(EPOCHS).lines:
        lines[line.get_linestyle()].append(line.get_ydata().tolist())
    assert lines == {"-": [[1, 1 / 2, 1 / 3]] * 2, "--": [[0.5] * 3]}


def test_reliability_is_drawn_where_the_bins_are():
    ax = plot_reliability(BINS)
    points = next(line for line in ax.lines if line.get_marker() == "o")
    assert list(points.get_xdata()) == pytest.approx([0.05, 0.55, 0.975])
    assert list(points.get_ydata()) == [0, 1, 0.5]
    assert [text.get_text() for text in ax.texts] == ["1", "1", "2"]


def test_an_inline_plot_needs_nothing_and_says_what_it_shows():
    svg = inline_svg(PLOTS["votes"](None), 'of "early" & late')
    assert svg.startswith("<svg")
    assert svg.endswith("</svg>")
    assert "http" not in svg
    assert "xmlns" not in svg
    assert 'aria-label="of &quot;early&quot; &amp; late"' in svg
    assert ">share of volunteers' votes for early</text>" in svg.replace("&#x27;", "'")


def test_many_classes_are_drawn_without_numbers():
    names = [f"class {place}" for place in range(20)]
    ax = plot_confusion(np.eye(20, dtype=int), names, names)
    assert not ax.texts
    assert confusion_table(np.eye(20, dtype=int), names, names, "model").rows[3][4] == 1


@pytest.mark.parametrize(("side", "channels"), [(64, 3), (400, 1)])
def test_cutouts_are_small_pictures(side, channels):
    import base64
    import io

    pixels = np.full((side, side, channels), 200, np.uint8)
    address = cutout_address(pixels)
    head, _, body = address.partition(",")
    assert head == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(body)))
    assert image.size == (min(side, LARGEST),) * 2
    assert abs(int(np.asarray(image).mean()) - 200) <= 2


def test_what_is_put_into_a_page_is_text_and_not_markup(tmp_path):
    path = tmp_path / "page.html"
    evil = '<script>alert("x")</script>'
    write_page(
        path,
        title=evil,
        lead=[evil],
        sections=[
            Section(
                title=evil,
                blocks=[
                    Text(text=evil, warning=True),
                    Items(items=[evil]),
                    Table(caption=evil, heads=[evil], rows=[[evil]]),
                    Gallery(
                        title=evil,
                        cards=[Card(images=[], alternative=evil, name=evil, lines=[(evil, evil)])],
                    ),
                ],
            )
        ],
    )
    page = read_page(path)
    assert not page.all("script")
    assert page.tables[evil] == [[evil], [evil]]
    assert list(page.sections) == ["script-alert-x-script"]


def test_cells_are_numbers_that_can_be_copied(tmp_path):
    path = tmp_path / "page.html"
    rows = [["a", 1234, 0.12345, None], ["b", 5, 1.0, "few"]]
    table = Table(caption="Numbers", heads=("name", "n", "share", "more"), rows=rows, last=True)
    write_page(path, title="Page", lead=[], sections=[Section(title="One", blocks=[table])])
    page = read_page(path)
    assert page.tables["Numbers"] == [
        ["name", "n", "share", "more"],
        ["a", "1,234", "0.123", ""],
        ["b", "5", "1.000", "few"],
    ]
    assert [one.get("class") for one in page.all("th") if one["scope"] == "col"] == [
        "words",
        None,
        None,
        "words",
    ]
    assert not page.all("nav")


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match=r"file/page\.html: cannot be written"):
        write_page(tmp_path / "file" / "page.html", title="Page", lead=[], sections=[])


def test_galleries_leave_out_what_has_no_posterior():
    image = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8], [0.55, 0.45]])
    votes = np.array([[0.1, 0.9], [0.5, 0.5], [0.3, 0.7], [np.nan, np.nan]])
    labels = np.array([1, 0, 1, 1])
    assert surest(image, 0, 5).tolist() == [0, 3]
    assert surest(image, 0, 1).tolist() == [0]
    assert least_sure(image, 5).tolist() == [3, 2, 0]
    assert farthest(image, votes, 5).tolist() == [0]
    assert doubted(image, labels, 5).tolist() == [0, 3]


def test_templates_are_in_the_package():
    from czsl import report

    folder = Path(report.__file__).parent / "templates"
    assert {path.name for path in folder.iterdir()} == {"blocks.html", "page.html", "style.css"}
