"""Votes of every kind become the same arrays, and every kind of bad vote is told."""

import math
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from czsl.catalogue.votes import Given, mirror_order, no_votes, read_votes
from czsl.config import VotesSettings
from czsl.errors import Problems

ANSWERS = {"smooth": "n_smooth", "disc": "n_disc", "star": "n_star"}
nan = math.nan


def read(columns, *, start=0, **settings):
    """Read votes and give them with what was told."""
    table = pa.table(columns)
    problems = Problems()
    given = VotesSettings(**{"answers": ANSWERS, **settings})
    ids = [f"g{row}" for row in range(table.num_rows)]
    votes = read_votes(table, given, problems, name="a.csv", ids=ids, start=start)
    return votes, [str(problem) for problem in problems.found]


def columns(*rows, **more):
    """Make the columns of the three answers from rows."""
    names = list(ANSWERS.values())
    return {name: [row[place] for row in rows] for place, name in enumerate(names)} | more


def test_counts():
    votes, told = read(columns((30, 10, 0), (0, 1, 1)))
    assert told == []
    assert votes.unit == "counts"
    np.testing.assert_array_equal(votes.counts, [[30, 10, 0], [0, 1, 1]])
    np.testing.assert_array_equal(votes.fractions, [[0.75, 0.25, 0], [0, 0.5, 0.5]])
    np.testing.assert_array_equal(votes.total, [40, 2])
    np.testing.assert_array_equal(votes.given, [Given.COUNTS] * 2)


def test_fractions_with_a_total_give_counts():
    votes, told = read(columns((0.75, 0.25, 0), (0.5, 0.5, 0), n=[40, None]), total="n")
    assert told == []
    assert votes.unit == "fractions"
    np.testing.assert_array_equal(votes.counts, [[30, 10, 0], [nan, nan, nan]])
    np.testing.assert_array_equal(votes.fractions, [[0.75, 0.25, 0], [0.5, 0.5, 0]])
    np.testing.assert_array_equal(votes.total, [40, nan])
    np.testing.assert_array_equal(votes.given, [Given.COUNTS, Given.FRACTIONS])


def test_rounded_fractions_are_made_to_sum_to_one():
    votes, told = read(columns((0.333, 0.333, 0.333), (0.669, 0.334, 0.001), n=[3, 3]), total="n")
    assert told == []
    np.testing.assert_allclose(votes.fractions.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(votes.counts.sum(axis=1), 3, rtol=1e-15)
    np.testing.assert_array_equal(votes.total, [3, 3])


def test_a_class_alone_is_one_for_its_answer():
    votes, told = read({"w": ["disc", None, "smooth"]}, answers={}, label="w", label_values=LABELS)
    assert told == []
    assert votes.answers == ("smooth", "disc")
    np.testing.assert_array_equal(votes.fractions, [[0, 1], [nan, nan], [1, 0]])
    np.testing.assert_array_equal(votes.counts, np.full((3, 2), nan))
    np.testing.assert_array_equal(votes.total, [nan, 0, nan])
    np.testing.assert_array_equal(votes.given, [Given.LABEL, Given.NOTHING, Given.LABEL])


LABELS = {"smooth": "smooth", "disc": "disc"}


def test_counts_go_before_the_class_and_the_class_before_nothing():
    rows = columns((3, 1, 0), (None, None, None), (0, 0, 0), (nan, nan, nan))
    votes, told = read(
        {**rows, "w": ["disc", "E", "star", None]}, label="w", label_values={"smooth": "E"}
    )
    assert told == []
    given = [Given.COUNTS, Given.LABEL, Given.LABEL, Given.NOTHING]
    np.testing.assert_array_equal(votes.given, given)
    expected = [[0.75, 0.25, 0], [1, 0, 0], [0, 0, 1], [nan] * 3]
    np.testing.assert_array_equal(votes.fractions, expected)
    np.testing.assert_array_equal(votes.total, [4, nan, nan, 0])


def test_an_answer_that_only_labels_name_has_no_counts():
    votes, _ = read(
        {"n": [2, None], "m": [2, None], "w": [None, "X"]},
        answers={"a": "n", "b": "m"},
        label="w",
        label_values={"odd": "X"},
    )
    assert votes.answers == ("a", "b", "odd")
    np.testing.assert_array_equal(votes.fractions, [[0.5, 0.5, 0], [0, 0, 1]])
    np.testing.assert_array_equal(votes.counts[0], [2, 2, 0])


def test_zero_votes_and_zero_fractions_are_nothing():
    for zeros in (columns((0, 0, 0)), columns((0, 0, 0), (0.5, 0.5, 0.0))):
        votes, told = read(zeros)
        assert told == []
        assert votes.given[0] == Given.NOTHING
        assert votes.total[0] == 0
    votes, told = read(columns((0, 0, 0), (0.5, 0.5, 0), n=[0, 4]), total="n")
    assert told == []
    np.testing.assert_array_equal(votes.given, [Given.NOTHING, Given.COUNTS])


@pytest.mark.parametrize(
    ("rows", "more", "unit"),
    [
        ([(3, 1, 0), (1, 0, 0)], {}, "counts"),
        ([(0.5, 0.5, 0), (1, 0, 0)], {}, "fractions"),
        ([(1, 0, 0), (0, 1, 0)], {}, "counts"),
        ([(1, 0, 0), (0, 1, 0)], {"n": [40, 1]}, "fractions"),
        ([(1, 0, 0), (0, 1, 0)], {"n": [1, 1]}, "counts"),
        ([(1, 1, 0), (0, 1, 1)], {"n": [2, 2]}, "counts"),
        ([(None, None, None)], {}, "counts"),
    ],
)
def test_the_unit_is_told_from_the_numbers(rows, more, unit):
    votes, told = read(columns(*rows, **more), **({"total": "n"} if more else {}))
    assert (votes.unit, told) == (unit, [])


def test_the_unit_that_is_given_holds():
    votes, told = read(columns((1, 0, 0), (0, 1, 0)), unit="fractions")
    assert (votes.unit, told) == ("fractions", [])
    np.testing.assert_array_equal(votes.given, [Given.FRACTIONS] * 2)


MANY = [(-1, 2, 0), (1, 1, 1), (-2, 3, 1), (-3, 4, 1), (-4, 1, 1)]


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (
            columns(*MANY),
            {},
            "column 'n_smooth': 4 negative counts, first in rows 1 (id 'g0'), 3 (id 'g2'), "
            "4 (id 'g3'); counts are zero or more",
        ),
        (
            columns((1, 2, 0), (1.5, 1, 1)),
            {"unit": "counts"},
            "column 'n_smooth': 1 count that is not whole, first in row 2 (id 'g1'); counts are "
            'whole; where the columns hold fractions, set unit = "fractions"',
        ),
        (
            columns((0.5, 0.5, 0), (1.5, -0.5, 0)),
            {},
            "column 'n_smooth': 1 fraction above 1, first in row 2 (id 'g1'); fractions lie in "
            "[0, 1]; where the columns hold counts, all of them are whole",
        ),
        (
            columns((0.5, 0.5, 0), (1, -0.5, 0.5)),
            {},
            "column 'n_disc': 1 negative fraction, first in row 2 (id 'g1'); fractions lie in",
        ),
        (
            columns((0.5, 0.5, 0), (0.5, 0.3, 0.1), (0.5, 0.5, 0.1)),
            {},
            "columns 'n_smooth', 'n_disc', 'n_star': 2 rows whose fractions do not sum to 1 within "
            "0.01, first in rows 2 (id 'g1'), 3 (id 'g2'); give a column for every answer",
        ),
        (
            columns((0.5, 0.5, 0), (0, 0, 0), n=[4, 4]),
            {"total": "n"},
            "1 row whose fractions do not sum to 1 within 0.01, first in row 2 (id 'g1')",
        ),
        (
            columns((0.5, 0.5, 0), (1, 0, 0), n=[4, 0]),
            {"total": "n"},
            "1 row with fractions though the total in 'n' is 0, first in row 2 (id 'g1'); correct",
        ),
        (
            columns((3, 1, 0), (3, 1, 1), n=[4, 4]),
            {"total": "n"},
            "columns 'n_smooth', 'n_disc', 'n_star': 1 row whose counts add up to more than the "
            "total in 'n', first in row 2 (id 'g1'); each volunteer gives one answer; leave out",
        ),
        (
            columns((3, 1, 0), (3, None, 1)),
            {},
            "column 'n_disc': 1 missing value (empty or NaN) beside other answers that are given, "
            "first in row 2 (id 'g1'); give an object's votes for every answer, or for none",
        ),
        (
            columns((3.0, 1.0, 0.0), (3.0, 1.0, nan)),
            {},
            "column 'n_star': 1 missing value (empty or NaN) beside other answers",
        ),
        (
            columns((3.0, 1.0, 0.0), (math.inf, 1.0, 0.0)),
            {},
            "column 'n_smooth': 1 infinite value, first in row 2 (id 'g1'); votes are finite",
        ),
        (
            columns(("3", "1", "0"), ("many", "1", "0")),
            {},
            "column 'n_smooth': 1 value that is not a number ('many'), first in row 2 (id 'g1'); "
            "give numbers, or leave it empty",
        ),
        (
            columns((3, 1, 0), n=[-4]),
            {"total": "n"},
            "column 'n': 1 negative count, first in row 1 (id 'g0'); counts are zero or more",
        ),
        (
            columns((3, 1, 0), n=[4.5]),
            {"total": "n"},
            "column 'n': 1 count that is not whole, first in row 1 (id 'g0')",
        ),
        (
            columns((None, None, None), (1, 0, 0), w=["E", "odd"]),
            {"label": "w", "label_values": {"smooth": ["E", "S0"]}},
            "column 'w': 1 value that the mapping does not know: 'odd' (1); it knows smooth = 'E' "
            "or 'S0', disc = 'disc', star = 'star'; correct the values, or add them to "
            "'label_values' in [votes]",
        ),
    ],
)
def test_bad_votes_are_told_with_their_column_number_and_first_rows(given, settings, message):
    _, told = read(given, **settings)
    assert any(text.startswith("a.csv, ") and message in text for text in told), told


def test_everything_wrong_is_told_at_once_and_only_the_good_rows_come():
    rows = [(3, 1, 0), (-1, 1, 0), (math.inf, 1, 0), (1, None, 0), (9, 9, 9), (2, 2, 0)]
    votes, told = read(columns(*rows, n=[4, 4, 4, 4, 4, 4]), total="n")
    assert len(told) == 4
    np.testing.assert_array_equal(votes.given == Given.COUNTS, [True, *[False] * 4, True])
    assert np.isnan(votes.fractions[1:5]).all()


def test_one_bad_value_is_told_once():
    """A row that one column spoils is not told again for its sum."""
    assert len(read(columns((0.5, 0.5, 0), (-0.5, 0.5, 0)))[1]) == 1
    assert len(read(columns((3, -1, 0), n=[1]), total="n")[1]) == 1


def test_rows_count_on_where_the_table_is_read_in_parts():
    _, told = read(columns((-1, 2, 0)), start=1000)
    assert "first in row 1001 (id 'g0')" in told[0]


def test_rounding_of_single_precision_is_no_slip():
    thirds = np.array([1 / 3, 1 / 3, 1 / 3], dtype=np.float32)
    ones = np.array([1.0000001, -1e-9, 0], dtype=np.float32)
    _, told = read(columns(tuple(thirds), tuple(ones)))
    assert told == []


def test_mirror():
    votes, _ = read(columns((1, 2, 3)), mirror={"smooth": "star"})
    np.testing.assert_array_equal(votes.mirror, [2, 1, 0])


@drawn(st.permutations(["a", "b", "c", "d", "e"]), st.integers(0, 2))
def test_a_mirror_twice_is_nothing(names, pairs):
    mirror = {names[2 * pair]: names[2 * pair + 1] for pair in range(pairs)}
    order = mirror_order(sorted(names), mirror)
    np.testing.assert_array_equal(order[order], np.arange(5))
    assert (order != np.arange(5)).sum() == 2 * pairs


def test_votes_are_thinned_alike_where_there_are_billions():
    table = pa.table({"a": [30, 3 * 10**9, 2], "b": [10, 10**9, 1]})
    settings = VotesSettings(answers={"a": "a", "b": "b"})
    votes = read_votes(table, settings, Problems(), name="a.csv")
    thin = votes.thinned(4, seed=2)
    assert thin.total.tolist() == [4, 4, 3]
    assert thin.counts.sum(axis=1).tolist() == [4, 4, 3]
    np.testing.assert_array_equal(thin.fractions, thin.counts / thin.total[:, None])
    few = np.random.default_rng(2).multivariate_hypergeometric([30, 10], 4)
    assert thin.counts[0].tolist() == few.tolist()


def test_no_votes():
    votes = no_votes(VotesSettings(answers=ANSWERS, after=None, unit="fractions"), 2)
    assert len(votes) == 2
    assert votes.unit == "fractions"
    assert votes.fractions.shape == votes.counts.shape == (2, 3)
    assert np.isnan(votes.fractions).all()
    np.testing.assert_array_equal(votes.total, [0, 0])


row = st.tuples(*[st.integers(0, 50)] * 3) | st.just((None, None, None))
label = st.sampled_from([None, "smooth", "disc", "star"])
objects = st.lists(st.tuples(row, label), min_size=1, max_size=12)


@drawn(objects, st.randoms(use_true_random=False))
def test_invariants_of_any_votes(objects, random):
    table = columns(*[row for row, _ in objects], w=[label for _, label in objects])
    votes, told = read(table, label="w")
    assert told == []
    something = votes.given != Given.NOTHING
    np.testing.assert_allclose(votes.fractions[something].sum(axis=1), 1, rtol=1e-12)
    assert np.isnan(votes.fractions[~something]).all()
    known = votes.given == Given.COUNTS
    np.testing.assert_array_equal(votes.counts[known].sum(axis=1), votes.total[known])
    assert np.isnan(votes.counts[~known]).all()
    # The order of the rows does not matter.
    order = list(range(len(objects)))
    random.shuffle(order)
    shuffled, _ = read({name: [col[i] for i in order] for name, col in table.items()}, label="w")
    same = votes.select(np.array(order))
    for name in ("counts", "fractions", "total", "given"):
        np.testing.assert_array_equal(getattr(same, name), getattr(shuffled, name))


@drawn(st.lists(st.tuples(*[st.integers(0, 60)] * 3), min_size=1, max_size=10))
def test_counts_and_their_fractions_say_the_same(rows):
    counts, _ = read(columns(*rows), unit="counts")
    totals = [sum(row) for row in rows]
    shares = [
        tuple(round(x / max(t, 1), 6) for x in row) for row, t in zip(rows, totals, strict=True)
    ]
    fractions, told = read(columns(*shares, n=totals), unit="fractions", total="n")
    assert told == []
    np.testing.assert_array_equal(fractions.given, counts.given)
    np.testing.assert_allclose(fractions.counts, counts.counts, atol=1e-3)
    np.testing.assert_array_equal(fractions.total, counts.total)


def test_input_is_not_changed():
    table = pa.table(columns((30, 10, 0), (None, None, None)))
    before = table.to_pydict()
    read_votes(table, VotesSettings(answers=ANSWERS), Problems(), name="a.csv")
    assert table.to_pydict() == before


def test_votes_of_real_galaxies_add_up(shared_data):
    from czsl.catalogue.table import read_table

    answers = {name: f"N_{name}" for name in ("EL", "CW", "ACW", "EDGE", "DK", "MG")}
    shares = {name: name for name in answers}
    table = read_table(shared_data / "gz1" / "votes_es_erl.csv", text=["OBJID"])
    problems = Problems()
    settings = VotesSettings(answers=answers, total="NVOTE")
    counts = read_votes(table, settings, problems, name="es")
    settings = VotesSettings(answers=shares, total="NVOTE")
    fractions = read_votes(table, settings, problems, name="es")
    assert problems.found == []
    assert (counts.unit, fractions.unit) == ("counts", "fractions")
    np.testing.assert_array_equal(counts.total, table["NVOTE"].to_numpy())
    np.testing.assert_allclose(fractions.counts, counts.counts, atol=0.2)
    # The sum of the spirals beside its parts is counted twice, and told.
    twice = VotesSettings(answers={**answers, "CS": "N_CS"}, total="NVOTE")
    read_votes(table, twice, problems, name="es")
    assert re.search(r"[\d,]+ rows whose counts add up to more than", str(problems.found[0]))
