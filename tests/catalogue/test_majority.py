"""The volunteers' majority, against a plain count by hand."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from czsl.catalogue import Catalogue, class_shares, majority_class, majority_probability, read_votes
from czsl.config import VotesSettings, make_config
from czsl.errors import Problems

ANSWERS = ("smooth", "cw", "acw", "star")
FROM = {"early": ("smooth",), "late": ("cw", "acw")}


def catalogue_of(folder, rows, *, votes=None, from_answers=FROM):
    """Write a table of counts and read it."""
    columns = list(rows[0])
    lines = [",".join(["id", "expert", *columns])]
    for number, row in enumerate(rows):
        given = ["" if row[column] is None else str(row[column]) for column in columns]
        lines.append(",".join([str(number), "ES"[number % 2], *given]))
    (folder / "a.csv").write_text("\n".join(lines))
    settings = {
        "catalogue": {"table": "a.csv", "id": "id"},
        "votes": votes if votes is not None else {"answers": {c: c for c in columns}},
        "classes": {
            "column": "expert",
            "values": {"early": "E", "late": "S"},
            "from_answers": from_answers,
        },
    }
    return Catalogue.read(make_config(settings, folder=folder))


def rows_of(*counts):
    return [dict(zip(ANSWERS, row, strict=True)) for row in counts]


def test_the_votes_of_a_class_are_added_up(tmp_path):
    catalogue = catalogue_of(
        tmp_path,
        rows_of(
            (4, 3, 2, 1),  # late has 5 of 10, though no answer has more than smooth
            (5, 2, 2, 1),  # early
            (5, 3, 2, 0),  # equal: the first
            (3, 1, 1, 5),  # star wins, which is no class
            (0, 0, 0, 5),
            (5, 0, 0, 5),  # star has no more than early
            (0, 0, 0, 0),
            (None, None, None, None),
        ),
    )
    assert majority_class(catalogue).tolist() == [1, 0, 0, -1, -1, 0, -1, -1]
    nan = np.nan
    expected = [[4, 5], [5, 4], [5, 5], [3, 2], [nan, nan], [5, 0], [nan, nan], [nan, nan]]
    expected = np.array(expected) / np.array([[9], [9], [10], [5], [1], [5], [1], [1]])
    np.testing.assert_allclose(majority_probability(catalogue), expected, rtol=1e-15)


counts = st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=1, max_size=8)


@given(counts)
def test_against_a_plain_count(tmp_path_factory, counts):
    table = pa.table({name: [row[place] for row in counts] for place, name in enumerate(ANSWERS)})
    settings = VotesSettings(answers={name: name for name in ANSWERS})
    votes = read_votes(table, settings, Problems(), name="a.csv")
    shares, others = class_shares([votes], FROM, ("early", "late"))
    for row, share, other in zip(counts, shares, others, strict=True):
        total = sum(row) or 1
        np.testing.assert_allclose(share, [row[0] / total, (row[1] + row[2]) / total])
        np.testing.assert_allclose(other, [row[3] / total])


def test_a_class_alone_is_the_majority(tmp_path):
    votes = {"label": "w", "label_values": {name: name for name in ANSWERS}}
    rows = [{"w": "cw"}, {"w": "smooth"}, {"w": "star"}, {"w": None}]
    catalogue = catalogue_of(tmp_path, rows, votes=votes)
    assert majority_class(catalogue).tolist() == [1, 0, -1, -1]


def test_classes_without_answers_have_no_majority(tmp_path):
    catalogue = catalogue_of(tmp_path, rows_of((4, 3, 2, 1), (0, 1, 1, 0)), from_answers={})
    assert majority_class(catalogue).tolist() == [-1, -1]
    assert np.isnan(majority_probability(catalogue)).all()


def test_a_catalogue_without_questions_has_no_majority(tmp_path):
    rows = [{"z": 1}] * 4
    catalogue = catalogue_of(tmp_path, rows, votes=[], from_answers={})
    assert majority_class(catalogue).tolist() == [-1] * 4
    assert majority_probability(catalogue).shape == (4, 2)


SHAPE = {"question": "shape", "answers": {"smooth": "smooth", "disc": "disc", "star": "star"}}
EDGE = {"question": "edge", "after": "disc", "answers": {"edge": "edge", "face": "face"}}
SENSE = {"question": "sense", "after": "face", "answers": {"cw": "cw", "acw": "acw"}}


def test_answers_to_a_question_asked_after_another_take_its_share(tmp_path):
    columns = ("smooth", "disc", "star", "edge", "face", "cw", "acw")
    rows = [
        # disc .6: edge .6 x .25, face .6 x .75, of which cw all: late .6 against early .4
        dict(zip(columns, (4, 6, 0, 1, 3, 5, 0), strict=True)),
        # the question after disc has no votes: disc stands for itself and wins
        dict(zip(columns, (4, 6, 0, 0, 0, 0, 0), strict=True)),
        # early .5 against late .5 x .5 + .25 x .5 = .375: acw makes no class
        dict(zip(columns, (5, 5, 0, 2, 2, 3, 3), strict=True)),
    ]
    catalogue = catalogue_of(
        tmp_path,
        rows,
        votes=[SHAPE, EDGE, SENSE],
        from_answers={"early": ["smooth"], "late": ["edge", "cw"]},
    )
    shares, others = class_shares(
        catalogue.questions, catalogue.config.classes.from_answers, catalogue.classes
    )
    np.testing.assert_allclose(shares, [[0.4, 0.6], [0.4, 0], [0.5, 0.375]])
    # disc, star, face, acw; disc and face give way where what is asked after them has votes
    np.testing.assert_allclose(others, [[0, 0, 0, 0], [0.6, 0, 0, 0], [0, 0, 0, 0.125]])
    assert majority_class(catalogue).tolist() == [1, -1, 0]


def test_the_majority_of_real_galaxies_agrees_with_the_published_one(shared_data, tmp_path):
    table = shared_data / "gz1" / "votes_es_erl.csv"
    answers = {"el": "N_EL", "cw": "N_CW", "acw": "N_ACW", "edge": "N_EDGE", "dk": "N_DK"}
    settings = {
        "catalogue": {"table": str(table), "id": "OBJID"},
        "votes": {"answers": {**answers, "mg": "N_MG"}, "total": "NVOTE"},
        "classes": {
            "column": "AMATEUR_MAJOR",
            "values": {"early": 0, "late": 1},
            "from_answers": {"early": ["el"], "late": ["cw", "acw", "edge"]},
        },
    }
    catalogue = Catalogue.read(make_config(settings))
    majority = majority_class(catalogue)
    known = majority >= 0
    assert known.mean() > 0.99
    assert (majority[known] == catalogue.experts[known]).mean() > 0.99
