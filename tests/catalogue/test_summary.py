"""A catalogue in numbers: every one is what a count by hand gives."""

import json

import pytest

from czsl.catalogue import Catalogue, summarise
from czsl.config import make_config

ROWS = """\
id,smooth,disc,winner,z,fold,expert
a,9,1,,0.5,1,E
b,2,8,,1.5,2,S
c,7,3,,,1,S
d,,,disc,,2,S
e,,,,,1,E
f,4,6,,-1,,
g,,,smooth,,,
h,0,0,,,,
"""


@pytest.fixture
def catalogue(tmp_path):
    (tmp_path / "a.csv").write_text(ROWS)
    settings = {
        "catalogue": {"table": "a.csv", "id": "id", "fold": "fold"},
        "votes": {
            "answers": {"smooth": "smooth", "disc": "disc"},
            "label": "winner",
            "extra": ["z"],
        },
        "classes": {
            "column": "expert",
            "values": {"early": "E", "late": "S"},
            "from_answers": {"early": "smooth", "late": "disc"},
        },
    }
    return Catalogue.read(make_config(settings, folder=tmp_path))


def test_every_number(catalogue):
    summary = summarise(catalogue)
    assert summary.table.endswith("a.csv")
    assert summary.objects == 8
    assert summary.tiers == {"expert": 5, "volunteer": 2, "unlabelled": 1}
    assert summary.experts_with_votes == 4
    assert summary.classes == {"early": 2, "late": 3}
    assert summary.folds == (3, 2)
    assert summary.warnings == ()
    (question,) = summary.questions
    assert question.given == {"counts": 4, "fractions": 0, "class": 2, "nothing": 2}
    smooth, disc = question.answers
    assert (smooth.answer, smooth.votes, smooth.first) == ("smooth", 22, 3)
    assert (disc.answer, disc.votes, disc.first) == ("disc", 18, 3)
    assert smooth.share == pytest.approx((0.9 + 0.2 + 0.7 + 0 + 0.4 + 1) / 6)
    assert smooth.share + disc.share == pytest.approx(1)
    (extra,) = summary.extra
    assert (extra.column, extra.given, extra.low, extra.high) == ("z", 3, -1, 1.5)


def test_volunteers_against_experts(catalogue):
    confusion = summarise(catalogue).confusion
    assert confusion.classes == ("early", "late")
    assert confusion.columns == ("early", "late", "none")
    assert confusion.objects == ((1, 0, 0), (1, 2, 0))
    assert confusion.agreement == 0.75


def test_without_experts_or_answers_of_classes_there_is_no_confusion(catalogue):
    assert summarise(catalogue.select(~catalogue.is_expert)).confusion is None
    classes = catalogue.config.classes.model_copy(update={"from_answers": {}})
    config = catalogue.config.model_copy(update={"classes": classes})
    catalogue = Catalogue.read(config)
    assert summarise(catalogue).confusion is None


def test_it_goes_through_json(catalogue):
    for some in (catalogue, catalogue.select(catalogue.ids == "h")):
        content = summarise(some).as_dict()
        assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["questions"][0]["answers"][0]["share"] is None
    assert content["extra"][0] == {"column": "z", "given": 0, "low": None, "high": None}


def test_warnings_are_told(tmp_path, catalogue):
    (tmp_path / "a.csv").write_text("\n".join(ROWS.splitlines()[:-1]))
    summary = summarise(Catalogue.read(catalogue.config))
    assert len(summary.warnings) == 1
    assert "no unlabelled objects" in summary.warnings[0]
