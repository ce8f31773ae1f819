"""Errors form one tree, and tell everything at once."""

import inspect
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czsl import errors
from czsl.errors import (
    CatalogueError,
    CzslError,
    MissingExtraError,
    Problem,
    Problems,
    WriteError,
    first_rows,
    nearest,
    require_extra,
    writing,
)


def test_every_error_is_in_the_tree_and_in_the_table_on_top():
    found = [
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, Exception)
    ]
    assert len(found) >= 10
    for error in found:
        assert issubclass(error, CzslError)
        assert error is CzslError or error.__name__ in errors.__doc__


def test_problems_are_told_together_and_warnings_do_not_stop():
    problems = Problems()
    problems.warn("a.csv", "no unlabelled objects", "reconstruct is left out")
    problems.raise_if_fatal(CatalogueError)
    problems.add("a.csv, column 'n'", "2 negative counts", "counts are zero or more")
    more = Problems([Problem(where="a.csv", found="1 empty id", remedy="give it one")])
    problems.extend(more)
    message = (
        r"^2 problems\n"
        r"  1\. a\.csv, column 'n': 2 negative counts; counts are zero or more\n"
        r"  2\. a\.csv: 1 empty id; give it one$"
    )
    with pytest.raises(CatalogueError, match=message):
        problems.raise_if_fatal(CatalogueError)
    assert [str(warning) for warning in problems.warnings] == [
        "a.csv: no unlabelled objects; reconstruct is left out"
    ]
    assert len(problems) == 3


def test_the_nearest_names_do_not_mind_case_and_keep_the_true_spelling():
    assert nearest("objid", ["OBJID", "RA"]) == "did you mean 'OBJID'?"
    assert nearest("n_el", ["N_EL", "N_ELL", "RA"]) == "did you mean 'N_EL' or 'N_ELL'?"
    assert nearest("x", []) == "there are none"
    many = [f"column{number}" for number in range(20)]
    assert nearest("?", many).endswith("'column11' …")


@given(st.text(), st.lists(st.text(), max_size=5))
def test_the_nearest_names_are_found_for_any_text(name, names):
    told = nearest(name, names)
    assert told.startswith(("did you mean ", "there are "))
    if names and told.startswith("did you mean"):
        assert any(repr(known) in told for known in names)


def test_first_rows_count_from_one_or_from_where_the_part_begins():
    assert first_rows([4]) == "first in row 5"
    assert first_rows([0, 1], ["a", "b"], 1000) == "first in rows 1001 (id 'a'), 1002 (id 'b')"


def test_a_missing_package_is_named_with_its_extra():
    message = (
        r"needs the package 'no_such'.*pip install \"czsl\[demo\]\", "
        r"or from a clone: pip install \"\.\[demo\]\"$"
    )
    with pytest.raises(MissingExtraError, match=message):
        require_extra("no_such.part", "demo")


def test_a_refusal_of_the_system_becomes_an_error_that_names_the_path(tmp_path):
    path = tmp_path / "no" / "such" / "file"
    message = r"such/file: cannot be written \(No such file or directory\); what stood there before"
    with pytest.raises(WriteError, match=message), writing(path):
        path.write_text("x")


def test_the_lowest_floors_import_nothing_heavy():
    heavy = ["torch", "astropy", "matplotlib", "pyarrow", "sklearn", "galsim", "numpy"]
    code = (
        "import sys, czsl.errors, czsl.flags, czsl.config, czsl.recipes, czsl.catalogue; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
