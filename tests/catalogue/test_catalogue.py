"""The catalogue is read and checked at the door, and everything wrong is told at once."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from czsl.catalogue import TIERS, Catalogue, Given, scan_catalogue
from czsl.config import make_config
from czsl.errors import CatalogueError, ConfigError

BIG = 588015510343123099
SETTINGS = {
    "catalogue": {"table": "galaxies.csv", "id": "id", "images": "images/{id}.jpg"},
    "votes": {"answers": {"smooth": "n_smooth", "cw": "n_cw", "acw": "n_acw"}},
    "classes": {"column": "expert", "values": {"early": ["E", "S0"], "late": "S"}},
}
# Two of each class with votes, one without; two volunteers' objects; two unlabelled.
ROWS = """\
id,n_smooth,n_cw,n_acw,expert
a,9,1,0,E
b,1,5,4,S
c,8,1,1,S0
d,0,9,1,S
e,,,,E
f,5,5,0,
g,1,2,7,
h,0,0,0,
i,,,,
"""


def config_in(folder, **changes):
    """Make a configuration, with changes of some sections."""
    content = {
        section: settings
        if isinstance(settings, list)
        else {**SETTINGS.get(section, {}), **settings}
        for section, settings in {**SETTINGS, **changes}.items()
    }
    return make_config(content, folder=folder)


def read(folder, rows=ROWS, **changes):
    """Write a table and read it."""
    (folder / "galaxies.csv").write_text(rows)
    return Catalogue.read(config_in(folder, **changes))


def refusal(folder, rows=ROWS, **changes):
    """Give what is told of a table that cannot be used."""
    with pytest.raises(CatalogueError, match=r"galaxies\.csv") as caught:
        read(folder, rows, **changes)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_catalogue_is_read(tmp_path):
    catalogue = read(tmp_path, votes={"mirror": {"cw": "acw"}}, classes={"mirror": {}})
    assert catalogue.ids.tolist() == list("abcdefghi")
    assert catalogue.rows.tolist() == list(range(9))
    assert catalogue.images[:2].tolist() == ["images/a.jpg", "images/b.jpg"]
    assert catalogue.classes == ("early", "late")
    assert catalogue.experts.tolist() == [0, 1, 0, 1, 0, -1, -1, -1, -1]
    assert catalogue.questions[0].given.tolist() == [3, 3, 3, 3, 0, 3, 3, 0, 0]
    assert catalogue.questions[0].mirror.tolist() == [0, 2, 1]
    assert catalogue.class_mirror.tolist() == [0, 1]
    assert catalogue.folds is None
    assert catalogue.extra.shape == (9, 0)
    assert catalogue.warnings == ()
    assert len(catalogue) == 9


def test_tiers_are_derived(tmp_path):
    catalogue = read(tmp_path)
    assert catalogue.is_expert.tolist() == [True] * 5 + [False] * 4
    assert catalogue.has_votes.tolist() == [True] * 4 + [False, True, True, False, False]
    assert catalogue.is_unlabelled.tolist() == [False] * 7 + [True, True]
    assert catalogue.tier.tolist() == ["expert"] * 5 + ["volunteer"] * 2 + ["unlabelled"] * 2
    assert set(catalogue.tier) == set(TIERS)
    assert repr(catalogue) == (
        "<Catalogue of 9 objects: 5 expert (4 with votes), 2 volunteer, 2 unlabelled; "
        "classes early, late>"
    )
    assert "<td>volunteer</td><td>2</td>" in catalogue._repr_html_()


def test_objects_are_selected_by_number_and_by_mask(tmp_path):
    catalogue = read(tmp_path, ROWS.replace("expert", "fold").replace("S0", "E"), **FOLDED)
    some = catalogue.select(np.array([6, 1]))
    assert some.ids.tolist() == ["g", "b"]
    assert some.rows.tolist() == [6, 1]
    assert some.images.tolist() == ["images/g.jpg", "images/b.jpg"]
    assert some.questions[0].counts.tolist() == [[1, 2, 7], [1, 5, 4]]
    assert some.experts.tolist() == [-1, 1]
    assert some.folds.tolist() == [-1, 1]
    assert catalogue.select(catalogue.is_expert).ids.tolist() == list("abcde")
    assert catalogue.select(catalogue.is_expert).config is catalogue.config


FOLDED = {
    "catalogue": {"fold": "fold"},
    "classes": {"column": "fold", "values": {"early": "E", "late": "S"}},
}


def test_the_configuration_may_be_a_file_a_folder_or_settings(tmp_path):
    catalogue = read(tmp_path)
    (tmp_path / "czsl.toml").write_text(catalogue.config.to_toml())
    for source in (tmp_path, tmp_path / "czsl.toml", str(tmp_path), catalogue.config):
        assert Catalogue.read(source).ids.tolist() == catalogue.ids.tolist()
    with pytest.raises(ConfigError, match="there is no such file"):
        Catalogue.read(tmp_path / "none.toml")


@pytest.mark.parametrize("kind", [".csv", ".ecsv", ".parquet", ".fits", ".vot"])
def test_every_kind_of_table_gives_the_same_catalogue(tmp_path, kind):
    ids = [BIG + row for row in range(6)]
    labels = ["E", "S", "E", "S", "", ""]
    counts = {
        "n_smooth": [9, 1, 8, 2, 5, 0],
        "n_cw": [1, 5, 1, 4, 5, 0],
        "n_acw": [0, 4, 1, 4, 0, 0],
    }
    table = Table({"id": ids, **counts, "expert": labels})
    path = tmp_path / f"galaxies{kind}"
    if kind == ".parquet":
        pq.write_table(pa.table({"id": ids, **counts, "expert": labels}), path)
    else:
        names = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".vot": "votable"}
        table.write(path, format=names[kind])
    catalogue = Catalogue.read(config_in(tmp_path, catalogue={"table": path.name}))
    assert catalogue.ids.tolist() == [str(one) for one in ids]
    assert catalogue.images[5] == f"images/{BIG + 5}.jpg"
    assert catalogue.experts.tolist() == [0, 1, 0, 1, -1, -1]
    assert catalogue.questions[0].total.tolist() == [10, 10, 10, 10, 10, 0]


def test_a_column_of_booleans_may_hold_the_classes(tmp_path):
    path = tmp_path / "galaxies.parquet"
    seen = [True, False, None, True, False]
    pq.write_table(pa.table({"id": [1, 2, 3, 4, 5], "merger": seen}), path)
    settings = {
        "catalogue": {"table": path.name, "id": "id"},
        "classes": {"column": "merger", "values": {"no": False, "yes": True}},
    }
    catalogue = Catalogue.read(make_config(settings, folder=tmp_path))
    assert catalogue.experts.tolist() == [1, 0, -1, 1, 0]


def test_one_catalogue_may_hold_counts_fractions_and_classes_and_several_questions(tmp_path):
    rows = (
        "id,n_smooth,n_disc,winner,f_cw,f_acw,n,expert\n"
        "a,9,1,,,,,E\n"
        "b,2,8,,0.75,0.25,8,S\n"
        "c,,,disc,,,,S\n"
        "d,,,,0.5,0.5,,E\n"
        "e,,,smooth,,,,\n"
        "f,,,,,,,\n"
    )
    shape = {
        "question": "shape",
        "answers": {"smooth": "n_smooth", "disc": "n_disc"},
        "label": "winner",
    }
    sense = {
        "question": "sense",
        "after": "disc",
        "answers": {"cw": "f_cw", "acw": "f_acw"},
        "total": "n",
        "mirror": {"cw": "acw"},
    }
    catalogue = read(tmp_path, rows, votes=[shape, sense])
    first, second = catalogue.questions
    assert first.given.tolist() == [3, 3, 1, 0, 1, 0]
    assert second.given.tolist() == [0, 3, 0, 2, 0, 0]
    assert second.counts[1].tolist() == [6, 2]
    assert (second.after, second.question) == ("disc", "sense")
    assert catalogue.has_votes.tolist() == [True, True, True, True, True, False]
    assert [votes.unit for votes in catalogue.config.votes] == ["counts", "fractions"]


def test_a_unit_that_no_number_tells_stays_open(tmp_path):
    rows = "id,n_smooth,n_cw,n_acw,expert\n" + "".join(f"{i},,,,{'ES'[i % 2]}\n" for i in range(6))
    assert read(tmp_path, rows).config.votes[0].unit == "auto"
    assert read(tmp_path).config.votes[0].unit == "counts"


def test_extra_columns_are_numbers_or_missing(tmp_path):
    rows = "\n".join(
        line + f",{more}"
        for line, more in zip(
            ROWS.splitlines(), ["z", ".1", "", "NA", "-3", "nan", "1e3", "0", "1", "2"], strict=True
        )
    )
    catalogue = read(tmp_path, rows, votes={"extra": ["z"]})
    assert catalogue.extra_names == ("z",)
    np.testing.assert_array_equal(
        catalogue.extra[:, 0], [0.1, np.nan, np.nan, -3, np.nan, 1e3, 0, 1, 2]
    )


@pytest.mark.parametrize("point", ["", ".0"])
def test_folds_are_dense_and_in_the_order_of_their_numbers(tmp_path, point):
    """Also as pandas writes whole numbers of which some are missing."""
    lines = ROWS.splitlines()
    numbers = ["10", "2", "10", "3", "2", "", "3", "", ""]
    folds = ["fold", *(number + point if number else "" for number in numbers)]
    rows = "\n".join(f"{line},{fold}" for line, fold in zip(lines, folds, strict=True))
    catalogue = read(tmp_path, rows, catalogue={"fold": "fold"})
    assert catalogue.folds.tolist() == [2, 0, 2, 1, 0, -1, 1, -1, -1]


@pytest.mark.parametrize(
    ("pattern", "images"),
    [
        ("{id}.png", ["a.png", "b.png"]),
        ("{file}", ["x/1.jpg", ""]),
        ("cut.zip/{file}", ["cut.zip/x/1.jpg", ""]),
        ("{field}/{id}-{field}.fits", ["7/a-7.fits", "7/b-7.fits"]),
        ("{id}_{band}.fits", ["a_{band}.fits", "b_{band}.fits"]),
        ("cutouts.h5", ["cutouts.h5"] * 2),
        ("all/cutouts.tar.gz", ["all/cutouts.tar.gz"] * 2),
        ("folder", ["folder"] * 2),
        (None, ["", ""]),
    ],
)
def test_images_are_named_by_a_pattern_a_column_or_a_place(tmp_path, pattern, images):
    (tmp_path / "folder").mkdir()
    lines = ROWS.splitlines()
    more = ["file,field", "x/1.jpg,7", ",7", *["y,7"] * 7]
    rows = "\n".join(f"{line},{one}" for line, one in zip(lines, more, strict=True))
    catalogue = read(tmp_path, rows, catalogue={"images": pattern}, images={"bands": ["r"]})
    assert catalogue.images[:2].tolist() == images


def test_a_column_of_image_bytes_stays_in_braces(tmp_path):
    path = tmp_path / "galaxies.parquet"
    rows = {"id": list("abcd"), "expert": list("ESES"), "image": [b"\xff", b"", None, b"x"]}
    pq.write_table(pa.table(rows), path)
    settings = {
        **SETTINGS,
        "catalogue": {"table": path.name, "id": "id", "images": "{image}"},
        "votes": [],
    }
    catalogue = Catalogue.read(make_config(settings, folder=tmp_path))
    assert catalogue.images.tolist() == ["{image}"] * 4
    assert catalogue.select(np.array([2])).rows.tolist() == [2]


# What is wrong, and what is told.


def test_missing_columns_are_told_all_at_once_with_the_nearest(tmp_path):
    told = refusal(
        tmp_path,
        catalogue={"id": "ID", "images": "{name}/{id}.jpg", "fold": "foold"},
        votes={"answers": {"smooth": "nsmooth", "cw": "n_cw"}, "total": "n", "extra": ["z"]},
        classes={"column": "exprt"},
    )
    assert told.startswith("7 problems\n")
    assert "[catalogue] id: there is no column 'ID'; did you mean 'id'?" in told
    assert "[catalogue] images: there is no column 'name'" in told
    assert "[votes] answers.smooth: there is no column 'nsmooth'; did you mean 'n_smooth'" in told
    assert "[votes] total: there is no column 'n'; there are 'id', 'n_smooth'" in told
    assert "[votes] extra of 'question': there is no column 'z'" in told
    assert "[classes] column: there is no column 'exprt'; did you mean 'expert'?" in told


def test_of_several_questions_the_one_with_the_missing_column_is_named(tmp_path):
    votes = [
        {"question": "shape", "answers": {"smooth": "n_smooth"}},
        {"question": "sense", "answers": {"cw": "n_cv", "acw": "n_acw"}},
    ]
    told = refusal(tmp_path, votes=votes)
    assert "[[votes]] 'sense' answers.cw: there is no column 'n_cv'; did you mean 'n_cw'" in told


def test_duplicate_and_empty_ids_are_told_with_their_rows(tmp_path):
    rows = ROWS.replace("\nc,", "\na,").replace("\nd,", "\nb,").replace("\nh,", "\na,")
    told = refusal(tmp_path, rows.replace("\ne,", "\n,").replace("\ni,", "\n,"))
    assert told == (
        "2 problems\n"
        "  1. galaxies.csv, column 'id': 2 empty ids, first in rows 5, 9; give every object an id "
        "of its own\n"
        "  2. galaxies.csv, column 'id': 3 duplicate ids, first in rows 3 (id 'a'), 4 (id 'b'), "
        "8 (id 'a'); keep one row for each object"
    )


def test_ids_that_lost_digits_are_told_and_not_called_empty(tmp_path):
    path = tmp_path / "galaxies.csv.parquet"
    rows = {"id": [float(BIG + 1000 * i) for i in range(4)], "expert": list("ESES")}
    pq.write_table(pa.table(rows), path)
    settings = {**SETTINGS, "votes": [], "catalogue": {"table": path.name, "id": "id"}}
    message = r"^1 problem\n.*column 'id': holds floating-point numbers .* may have lost digits"
    with pytest.raises(CatalogueError, match=message):
        Catalogue.read(make_config(settings, folder=tmp_path))


def test_unknown_values_of_experts_are_told_with_their_counts_and_the_mapping(tmp_path):
    told = refusal(tmp_path, ROWS.replace("i,,,,", "i,,,,SB").replace("d,0,9,1,S", "d,0,9,1,SB"))
    assert told == (
        "1 problem\n"
        "  1. galaxies.csv, column 'expert': 2 values that the mapping does not know: 'SB' (2); it "
        "knows early = 'E' or 'S0', late = 'S'; add them to 'values' in [classes], or to 'ignore' "
        "where they are no class"
    )


def test_values_to_ignore_are_no_class(tmp_path):
    catalogue = read(tmp_path, ROWS.replace("i,,,,", "i,,,,?"), classes={"ignore": ["?"]})
    assert catalogue.experts[-1] == -1


def test_bad_votes_and_experts_are_told_together(tmp_path):
    rows = ROWS.replace("a,9,1,0,E", "a,9,-1,0,Q").replace("g,1,2,7,", "g,1,,7,")
    told = refusal(tmp_path, rows.replace("\nb,", "\na,"))
    assert told.startswith("4 problems\n")
    for part in (
        "column 'id': 1 duplicate id",
        "column 'n_cw': 1 negative count, first in row 1 (id 'a')",
        "column 'n_cw': 1 missing value (empty or NaN) beside other answers that are given, first "
        "in row 7 (id 'g')",
        "column 'expert': 1 value that the mapping does not know: 'Q' (1)",
    ):
        assert part in told


def test_infinite_extra_columns_and_folds_that_are_missing_are_told(tmp_path):
    lines = ROWS.splitlines()
    more = ["z,fold", "inf,1", "1,2", "1,", "1,1", "1,2", "1,", "1,", "1,", "-inf,"]
    rows = "\n".join(f"{line},{one}" for line, one in zip(lines, more, strict=True))
    told = refusal(tmp_path, rows, votes={"extra": ["z"]}, catalogue={"fold": "fold"})
    assert "column 'z': 2 infinite values, first in rows 1 (id 'a'), 9 (id 'i')" in told
    assert "column 'fold': 1 expert object without a fold, first in row 3 (id 'c'); give" in told
    one = "\n".join(f"{line},{'fold' if not place else 1}" for place, line in enumerate(lines))
    told = refusal(tmp_path, one, catalogue={"fold": "fold"})
    assert "column 'fold': 1 fold; two are needed, or leave 'fold' out" in told


def test_a_pattern_that_gives_every_object_the_same_image_is_told(tmp_path):
    told = refusal(tmp_path, catalogue={"images": "images/galaxy.jpg"})
    assert told == (
        "1 problem\n"
        "  1. galaxies.csv, [catalogue] images: 'images/galaxy.jpg' names no column, and there is "
        'no such folder; name files by columns, such as "images/{id}.jpg", or give a folder, an '
        "archive or an HDF5 file"
    )


def test_a_table_without_rows_is_told(tmp_path):
    told = refusal(tmp_path, ROWS.splitlines()[0] + "\n")
    assert "galaxies.csv: no rows; give a table with an object in each row" in told


# Tiers that are missing: what cannot be learned, and what is left.


def only(*names):
    """Keep some rows of the table."""
    head, *lines = ROWS.splitlines()
    return "\n".join([head, *(line for line in lines if line[0] in names)]) + "\n"


def warned(catalogue):
    """Give the warnings as text, the folder left out."""
    return [re.sub(r"^.*/", "", str(warning)) for warning in catalogue.warnings]


def test_a_class_with_fewer_than_two_experts_is_warned_of(tmp_path):
    classes = {"values": {"early": "E", "late": "S", "odd": "O", "round": "S0"}}
    told = warned(read(tmp_path, classes=classes))
    remedy = (
        "it takes two for a class to be learned from one and scored on the other: the stages "
        "transfer and finetune cannot tell this class; find more examples"
    )
    assert told == [
        f"galaxies.csv, column 'expert': class 'odd' has no expert objects; {remedy}",
        f"galaxies.csv, column 'expert': class 'round' has 1 expert object; {remedy}",
    ]


def test_no_experts(tmp_path):
    rows = only("f", "g", "h")
    told = refusal(tmp_path, rows)
    assert (
        "column 'expert': no experts' classes, and no answers of volunteers for 'early', 'late': "
        "nothing can be learned of them; give experts' classes, or name each class's answers in "
        "'from_answers' of [classes]"
    ) in told
    answers = {"early": ["smooth"], "late": ["cw", "acw"]}
    assert warned(read(tmp_path, rows, classes={"from_answers": answers})) == [
        "galaxies.csv, column 'expert': no experts' classes; the classes are the volunteers' "
        "answers in 'from_answers': the stages transfer, finetune and calibrate are left out, and "
        "nothing can be scored"
    ]


def test_no_volunteers(tmp_path):
    rows = re.sub(r",\d,\d,\d", ",,,", ROWS)
    assert warned(read(tmp_path, rows)) == [
        "galaxies.csv: no volunteers' votes; the classes are learned from experts alone: the "
        "stages pretrain and transfer are left out"
    ]


def test_no_unlabelled_objects(tmp_path):
    assert warned(read(tmp_path, only(*"abcdefg"))) == [
        "galaxies.csv: no unlabelled objects; nothing is learned from images alone: the stage "
        "reconstruct, where the recipe has it, sees labelled objects only"
    ]


def test_neither_experts_of_two_classes_nor_volunteers_leaves_nothing(tmp_path):
    told = refusal(tmp_path, only("h", "i"))
    assert (
        "no volunteers' votes, and experts' classes of 0 objects (early 0, late 0): nothing can be "
        "learned; give experts' classes of two kinds or more, or volunteers' votes"
    ) in told
    assert "experts' classes of 1 objects (early 1, late 0)" in refusal(tmp_path, only("e", "i"))


# A survey, read in parts to predict from.


def test_a_survey_needs_ids_and_images_only(tmp_path):
    catalogue = read(tmp_path, votes={"extra": ["n_cw"]})
    survey = tmp_path / "survey.csv"
    survey.write_text("name,id\n" + "".join(f"x,{BIG + row}\n" for row in range(10)))
    parts = list(scan_catalogue(catalogue.config, survey, rows=4))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert np.concatenate([part.rows for part in parts]).tolist() == list(range(10))
    assert parts[2].ids.tolist() == [str(BIG + 8), str(BIG + 9)]
    assert parts[2].images[1] == f"images/{BIG + 9}.jpg"
    assert parts[0].is_unlabelled.all()
    assert parts[0].questions[0].fractions.shape == (4, 3)
    assert np.isnan(parts[0].extra).all()
    assert parts[0].extra.shape == (4, 1)
    assert parts[0].folds is None
    assert parts[0].warnings == ()


def test_votes_and_experts_of_a_survey_are_read_where_they_are(tmp_path):
    catalogue = read(tmp_path)
    parts = list(scan_catalogue(catalogue.config, rows=5))
    for name in ("ids", "images", "experts", "rows", "extra", "tier"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(catalogue, name))
    given = np.concatenate([part.questions[0].given for part in parts])
    assert given.tolist() == catalogue.questions[0].given.tolist()


def test_a_part_of_fractions_is_not_taken_for_counts(tmp_path):
    rows = "id,n_smooth,n_cw,n_acw,expert\n" + "".join(
        f"{place},{share},{1 - share},0,{'ES'[place % 2]}\n"
        for place, share in enumerate([0.5, 0.25, 0.5, 0.75, 1, 0, 0, 1])
    )
    catalogue = read(tmp_path, rows)
    assert catalogue.config.votes[0].unit == "fractions"
    for part in scan_catalogue(catalogue.config, rows=4):
        assert (part.questions[0].given == Given.FRACTIONS).all()


def test_a_question_with_some_of_its_columns_is_left_out_with_a_warning(tmp_path):
    catalogue = read(tmp_path)
    survey = tmp_path / "survey.csv"
    survey.write_text("id,n_smooth,n_cw\n1,2,3\n")
    (part,) = scan_catalogue(catalogue.config, survey)
    assert not part.has_votes.any()
    assert (
        "question 'question': there is no column 'n_acw'; its votes are left out; did you mean"
        in (str(part.warnings[0]))
    )


def test_what_is_wrong_with_a_survey_is_told_with_its_row(tmp_path):
    catalogue = read(tmp_path)
    survey = tmp_path / "survey.csv"
    survey.write_text("ID\n1\n")
    message = r"\[catalogue\] id: there is no column 'id'; did you mean 'ID'\?"
    with pytest.raises(CatalogueError, match=message):
        next(scan_catalogue(catalogue.config, survey))
    lines = [f"{row},1,1,1" for row in range(10)]
    lines[7] = "6,1,-1,1"
    survey.write_text("\n".join(["id,n_smooth,n_cw,n_acw", *lines]))
    parts = scan_catalogue(catalogue.config, survey, rows=4)
    assert len(next(parts)) == 4
    message = (
        r"^2 problems\n.*1 duplicate id, first in row 8 \(id '6'\).*\n"
        r".*1 negative count, first in row 8 \(id '6'\)"
    )
    with pytest.raises(CatalogueError, match=message):
        next(parts)


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".fits"])
def test_a_survey_is_read_in_constant_memory(tmp_path, kind):
    from czsl.catalogue.write import write_table

    config = config_in(tmp_path, catalogue={"images": "{note}/{id}.jpg"})
    path = tmp_path / f"survey{kind}"
    rows = 20_000
    batches = (
        pa.table(
            {"id": [f"{BIG + start + row}" for row in range(rows)], "note": ["x" * 500] * rows}
        )
        for start in range(0, 10 * rows, rows)
    )
    assert write_table(batches, path) == 10 * rows
    seen = 0
    before = pa.total_allocated_bytes()
    for part in scan_catalogue(config, path, rows=10_000):
        seen += len(part)
        assert pa.total_allocated_bytes() - before < 60_000_000  # bytes; the whole has 100 million
    assert seen == 10 * rows


def test_real_galaxies_are_read(shared_data):
    settings = {
        "catalogue": {
            "table": str(shared_data / "gz1" / "votes_es_erl.csv"),
            "id": "OBJID",
            "images": "images/{OBJID}.jpeg",
            "fold": "FOLD",
        },
        "votes": {
            "answers": {
                "elliptical": "N_EL",
                "clockwise": "N_CW",
                "anticlockwise": "N_ACW",
                "edge": "N_EDGE",
                "other": "N_DK",
                "merger": "N_MG",
            },
            "total": "NVOTE",
            "extra": ["EL_DEB", "CS_DEB"],
            "mirror": {"clockwise": "anticlockwise"},
        },
        "classes": {"column": "EXPERT", "values": {"early": "M", "late": "L"}},
    }
    catalogue = Catalogue.read(make_config(settings))
    assert len(catalogue) == 40_902
    assert catalogue.ids[0] == "588015510343123099"
    assert (catalogue.experts >= 0).all()
    assert np.bincount(catalogue.folds).tolist() == [8181, 8181, 8180, 8180, 8180]
    assert (catalogue.questions[0].given == Given.COUNTS).all()
    assert warned(catalogue)[0].startswith("votes_es_erl.csv: no unlabelled objects")


PLACED = """\
id,n_smooth,n_cw,n_acw,expert,fold,ra,dec
a,9,1,0,E,1,359.99999,10
b,1,5,4,S,1,20,-30
c,8,1,1,S0,2,20.0001,-30
d,0,9,1,S,2,0.00001,10
e,,,,E,1,,
f,5,5,0,,,20,-30
g,1,2,7,,,40,
h,0,0,0,,,,
i,,,,,,50,90
"""


def test_positions_are_read_and_repeated_objects_are_told_of(tmp_path):
    catalogue = read(tmp_path, PLACED, catalogue={"position": ["ra", "dec"]})
    assert catalogue.positions.shape == (9, 2)
    assert catalogue.positions[1].tolist() == [20, -30]
    assert np.isnan(catalogue.positions).any(axis=1).tolist() == [False] * 4 + [True] * 1 + [
        False,
        True,
        True,
        False,
    ]
    [told] = [str(one) for one in catalogue.warnings if "position" in one.where]
    assert "3 rows within 1 arcsecond of an earlier row, first 'c' of 'b'" in told
    assert "of 2 of them both have an expert's class" in told
    part = catalogue.select(np.array([5, 1]))
    assert part.positions.tolist() == [[20, -30], [20, -30]]


def test_repeated_objects_of_one_fold_leak_nothing(tmp_path):
    place = {"position": ["ra", "dec"], "fold": "fold"}
    rows = PLACED.replace("c,8,1,1,S0,2", "c,8,1,1,S0,1")
    [told] = [
        str(one) for one in read(tmp_path, rows, catalogue=place).warnings if "arcs" in one.found
    ]
    assert "of 1 of them both have" in told  # a and d are of two folds


def test_without_columns_of_positions_there_are_none(tmp_path):
    assert read(tmp_path, PLACED).positions is None
    assert not any("arcsecond" in str(one) for one in read(tmp_path, PLACED).warnings)


def test_columns_of_positions_are_checked_as_others_are(tmp_path):
    told = refusal(tmp_path, PLACED, catalogue={"position": ["ra", "decl"]})
    assert "[catalogue] position: there is no column 'decl'; did you mean 'dec'?" in told
    wrong = PLACED.replace("40,", "inf,").replace("50,90", "361,-91")
    told = refusal(tmp_path, wrong, catalogue={"position": ["ra", "dec"]})
    assert "column 'ra': 2 angles out of range, first in rows 7 (id 'g'), 9 (id 'i')" in told
    assert "column 'dec': 1 angle out of range, first in row 9 (id 'i')" in told
    told = refusal(
        tmp_path, PLACED.replace("50,90", "3h,90"), catalogue={"position": ["ra", "dec"]}
    )
    assert "column 'ra': 1 value that is not a number ('3h')" in told
    with pytest.raises(ConfigError, match=r"catalogue\.position|\[catalogue\] position"):
        config_in(tmp_path, catalogue={"position": ["ra"]})


def test_a_scan_reads_positions_where_the_table_has_both_columns(tmp_path):
    config = read(tmp_path, PLACED, catalogue={"position": ["ra", "dec"]}).config
    parts = list(scan_catalogue(config, rows=4))
    assert [part.positions.shape for part in parts] == [(4, 2), (4, 2), (1, 2)]
    (tmp_path / "other.csv").write_text("id,ra\na,5\nb,6\n")
    [part] = scan_catalogue(config, tmp_path / "other.csv")
    assert part.positions is None
