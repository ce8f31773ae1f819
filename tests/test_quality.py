"""Flags of votes and posteriors, on both sides of every limit."""

import numpy as np
import pytest

from czsl.catalogue import Catalogue
from czsl.config import make_config
from czsl.flags import Flag
from czsl.quality import disagreeing, split, vote_flags

NO, FEW, SPLIT = int(Flag.NO_VOTES), int(Flag.FEW_VOTES), int(Flag.VOLUNTEERS_SPLIT)
APART = int(Flag.IMAGE_VOTES_DISAGREE)


def catalogue_of(folder, table: str, *votes: dict) -> Catalogue:
    """Read a table with the votes that the settings name; no expert's class but the first two."""
    (folder / "a.csv").write_text(table)
    content = {
        "catalogue": {"table": "a.csv", "id": "id"},
        "votes": list(votes),
        "classes": {"column": "expert", "values": {"early": "E", "late": "S"}},
    }
    return Catalogue.read(make_config(content, folder=folder))


def flags_of(catalogue: Catalogue) -> list[int]:
    unknown = np.full((len(catalogue), 2), np.nan)
    return vote_flags(catalogue, unknown, unknown).tolist()


COUNTS = {"question": "q", "answers": {"x": "x", "y": "y", "z": "z"}}


def test_counts_are_flagged_on_both_sides_of_5_votes_and_of_one_half(tmp_path):
    rows = {
        "a,4,0,0,E": FEW,
        "b,5,0,0,S": 0,
        "c,2,1,1,": FEW,  # as divided, but too few to say so
        "d,2,2,1,": SPLIT,
        "e,3,2,1,": 0,  # just half of them
        "f,29,15,15,": SPLIT,
        "g,30,15,15,": 0,
        "h,0,0,0,": NO,
        "i,,,,": NO,
        "j,1,0,0,": FEW,
    }
    table = "\n".join(["id,x,y,z,expert", *rows])
    assert flags_of(catalogue_of(tmp_path, table, COUNTS)) == list(rows.values())


def test_fractions_with_and_without_a_total_and_a_class_alone(tmp_path):
    shares = {"question": "q", "answers": {"x": "x", "y": "y", "z": "z"}, "label": "l"}
    rows = {
        "a,0.4,0.3,0.3,10,,E": SPLIT,
        "b,0.4,0.3,0.3,4,,S": FEW,
        "c,0.5,0.25,0.25,8,,": 0,
        "d,,,,,x,": 0,  # who knows how many volunteers chose x
        "e,,,,,,": NO,
    }
    table = "\n".join(["id,x,y,z,n,l,expert", *rows])
    found = flags_of(catalogue_of(tmp_path, table, {**shares, "total": "n"}))
    assert found == list(rows.values())
    without = flags_of(catalogue_of(tmp_path, table, shares))
    assert without == [SPLIT, SPLIT, 0, 0, NO]


def test_of_several_questions_the_most_votes_count_and_the_first_is_split(tmp_path):
    first = {"question": "q", "answers": {"x": "x", "y": "y", "z": "z"}}
    second = {"question": "r", "after": "x", "answers": {"u": "u", "v": "v", "w": "w"}}
    rows = {
        "a,2,2,1,2,0,0,E": SPLIT,
        "b,4,1,0,2,1,1,S": 0,  # the second question is divided, on 4 votes
        "c,9,0,0,3,3,3,": 0,  # and here on 9
        "d,2,1,0,,,,": FEW,
        "e,,,,4,0,0,": FEW,
        "f,,,,5,0,0,": 0,
    }
    table = "\n".join(["id,x,y,z,u,v,w,expert", *rows])
    assert flags_of(catalogue_of(tmp_path, table, first, second)) == list(rows.values())


def test_without_any_question_nobody_has_voted(tmp_path):
    catalogue = catalogue_of(tmp_path, "id,expert\na,E\nb,E\nc,S\nd,S\n")
    posterior = np.array([[0.99, 0.01]] * 4)
    assert vote_flags(catalogue, posterior, posterior[:, ::-1]).tolist() == [NO | APART] * 4
    assert vote_flags(catalogue, posterior, posterior).dtype == np.uint32


@pytest.mark.parametrize(
    ("image", "votes", "apart"),
    [
        ([0.9, 0.1], [0.11, 0.89], True),  # 0.188
        ([0.9, 0.1], [0.13, 0.87], False),  # 0.204
        ([0.5, 0.5], [0.0, 1.0], False),  # an image that says nothing contradicts nothing
        ([1.0, 0.0], [0.0, 1.0], True),
        ([np.nan, np.nan], [0.0, 1.0], False),
        ([1.0, 0.0], [np.nan, np.nan], False),
    ],
)
def test_image_and_votes_disagree_below_one_draw_in_five(image, votes, apart):
    assert disagreeing(np.array([image]), np.array([votes])).tolist() == [apart]


def test_agreement_is_how_often_two_draws_are_of_the_same_class():
    random = np.random.default_rng(0)
    image, votes = random.dirichlet([0.3] * 3, 300), random.dirichlet([0.3] * 3, 300)
    same = np.array(
        [
            np.mean(random.choice(3, 4000, p=one) == random.choice(3, 4000, p=other))
            for one, other in zip(image, votes, strict=True)
        ]
    )
    clear = np.abs(same - 0.2) > 0.03
    assert clear.sum() > 200
    np.testing.assert_array_equal(disagreeing(image, votes)[clear], same[clear] < 0.2)


def test_nothing_is_split_where_no_share_is_known():
    assert not split(np.full((2, 3), np.nan), np.array([0.0, np.nan])).any()
