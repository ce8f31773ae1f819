"""A first configuration is guessed from tables of many shapes, and loads."""

import tarfile
import tomllib
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from czsl.catalogue import Catalogue, guess_config
from czsl.catalogue.guess_columns import describe_columns
from czsl.catalogue.guess_votes import guess_votes, mirrored
from czsl.config import make_config, read_config
from czsl.errors import CatalogueError

BIG = 588015510343123099


def survey(rows=40, *, seed=0):
    """Draw a table of galaxies: votes, experts for some, and columns that are something else."""
    rng = np.random.default_rng(seed)
    total = rng.integers(20, 50, rows)
    counts = np.stack([rng.multinomial(n, rng.dirichlet([1, 1, 1])) for n in total])
    expert = [("E", "S")[row % 2] if row % 3 == 0 else None for row in range(rows)]
    return {
        "ra": rng.uniform(0, 360, rows),
        "objid": [BIG + row for row in range(rows)],
        "redshift": rng.uniform(0, 0.2, rows),
        "n_smooth": counts[:, 0],
        "n_clockwise": counts[:, 1],
        "n_anticlockwise": counts[:, 2],
        "n_total": total,
        "expert": expert,
    }


def write(folder, columns, name="galaxies.parquet"):
    path = folder / name
    if name.endswith(".csv"):
        csv.write_csv(pa.table(columns), path)
    else:
        pq.write_table(pa.table(columns), path)
    return path


def found(guess):
    """Give what was guessed, by setting."""
    return {finding.setting: finding.value for finding in guess.findings}


@pytest.mark.parametrize("name", ["galaxies.parquet", "galaxies.csv"])
def test_a_survey_is_guessed_whole_and_can_be_read(tmp_path, name):
    columns = survey()
    table = write(tmp_path, columns, name)
    (tmp_path / "images").mkdir()
    for one in columns["objid"][:30]:
        (tmp_path / "images" / f"{one}.jpeg").touch()
    guess = guess_config(table, tmp_path / "images")
    (tmp_path / "czsl.toml").write_text(guess.text)
    config = read_config(tmp_path)
    assert config.catalogue.table == name
    assert config.catalogue.id == "objid"
    assert config.catalogue.images == "images/{objid}.jpeg"
    assert config.catalogue.fold is None
    (votes,) = config.votes
    assert votes.answers == {
        "smooth": "n_smooth",
        "clockwise": "n_clockwise",
        "anticlockwise": "n_anticlockwise",
    }
    assert (votes.total, votes.unit) == ("n_total", "counts")
    assert votes.mirror == {"clockwise": "anticlockwise"}
    assert config.classes.column == "expert"
    assert config.classes.values == {"E": ("E",), "S": ("S",)}
    assert len(Catalogue.read(config)) == 40


def test_every_guess_has_a_reason_that_stands_in_the_file(tmp_path):
    guess = guess_config(write(tmp_path, survey()))
    settings = [finding.setting for finding in guess.findings]
    assert settings == [
        "[catalogue] id",
        "[catalogue] images",
        "[catalogue] fold",
        "[catalogue] position",
        "[votes] answers",
        "[votes] label",
        "[classes] column",
    ]
    plain = " ".join(guess.text.replace("#", " ").split())
    for finding in guess.findings:
        assert len(finding.reason) > 10
        assert finding.reason in plain
    assert "add up to 'n_total' in every row" in plain
    assert "a column with few values: E 7, S 7" in plain


@pytest.mark.parametrize(
    ("right", "up"),
    [
        ("RA", "DEC"),
        ("ra", "dec"),
        ("RAJ2000", "DEJ2000"),
        ("RA_ICRS", "DE_ICRS"),
        ("RAdeg", "DEdeg"),
        ("raMean", "decMean"),
        ("target_ra", "target_dec"),
        ("ALPHA_J2000", "DELTA_J2000"),
        ("ALPHAWIN_J2000", "DELTAWIN_J2000"),
        ("Right_Ascension", "Declination"),
    ],
)
def test_positions_are_two_columns_of_angles_by_their_names(tmp_path, right, up):
    columns = survey()
    del columns["ra"]
    angles = {right: np.linspace(-10, 350, 40), up: np.linspace(-90, 90, 40)}
    guess = guess_config(write(tmp_path, {**columns, **angles}))
    assert found(guess)["[catalogue] position"] == (right, up)
    config = make_config(tomllib.loads(guess.text), folder=tmp_path)
    assert config.catalogue.position == (right, up)
    places = Catalogue.read(config).positions
    np.testing.assert_allclose(places, np.stack([angles[right], angles[up]], axis=1))


@pytest.mark.parametrize(
    "angles",
    [
        {"ra": np.linspace(0, 350, 40)},
        {"ra": np.linspace(0, 500, 40), "dec": np.linspace(-9, 9, 40)},
        {"ra": np.linspace(0, 350, 40), "dec": np.linspace(-9, 95, 40)},
        {"ra": [f"{row}:00:00" for row in range(40)], "dec": np.linspace(-9, 9, 40)},
        {"ra": np.full(40, np.nan), "dec": np.linspace(-9, 9, 40)},
        {"alpha": np.linspace(0, 1, 40), "delta": np.linspace(0, 1, 40)},
        {"ratio": np.linspace(0, 1, 40), "dec": np.linspace(0, 1, 40)},
    ],
)
def test_columns_that_are_no_degrees_are_no_positions(tmp_path, angles):
    columns = survey()
    del columns["ra"]
    guess = guess_config(write(tmp_path, {**columns, **angles}))
    assert found(guess)["[catalogue] position"] is None
    assert '# position = ["RA", "DEC"]' in guess.text


def test_fractions_that_sum_to_one_are_votes(tmp_path):
    columns = survey()
    shares = {f"p_{name}": columns.pop(f"n_{name}") for name in ("smooth", "clockwise")}
    shares["p_anticlockwise"] = columns.pop("n_anticlockwise")
    total = columns["n_total"]
    columns |= {name: np.round(count / total, 3) for name, count in shares.items()}
    guess = guess_config(write(tmp_path, columns))
    (votes,) = make_config(tomllib.loads(guess.text)).votes
    assert set(votes.answers.values()) == set(shares)
    assert (votes.unit, votes.total) == ("fractions", "n_total")
    assert "add up to one in every row" in guess.text


def test_counts_go_before_fractions_of_the_same_votes():
    columns = survey()
    total = columns["n_total"]
    more = {name[2:]: columns[name] / total for name in columns if name.startswith("n_")}
    (votes,) = guess_votes(describe_columns(pa.table({**columns, **more})))
    assert votes.unit == "counts"


def test_a_column_that_is_the_sum_of_others_is_no_answer():
    columns = survey()
    columns["n_spiral"] = columns["n_clockwise"] + columns["n_anticlockwise"]
    (votes,) = guess_votes(describe_columns(pa.table(columns)))
    assert "n_spiral" not in votes.answers.values()
    assert len(votes.answers) == 3


def test_several_questions_are_told_apart(tmp_path):
    rng = np.random.default_rng(1)
    columns = {"iauname": [f"J{row}" for row in range(30)]}
    for question, answers in (("shape", ["smooth", "disc", "star"]), ("bar", ["yes", "no"])):
        counts = {f"{question}_{answer}": rng.integers(0, 20, 30) for answer in answers}
        columns |= counts | {f"{question}_total-votes": sum(counts.values())}
    columns["bar_old"] = ["x", "y"] * 15
    guess = guess_config(write(tmp_path, {**columns, "expert": ["E", "S"] * 15}))
    config = make_config(tomllib.loads(guess.text))
    assert [votes.question for votes in config.votes] == ["shape", "bar"]
    assert config.votes[0].names == ("smooth", "disc", "star")
    assert config.votes[1].answers == {"yes": "bar_yes", "no": "bar_no"}
    assert config.votes[1].total == "bar_total-votes"


def test_a_question_whose_names_begin_alike_is_not_merged_with_what_is_asked_after_it():
    """As Galaxy Zoo DECaLS and Galaxy Zoo 2 call their columns."""
    rng = np.random.default_rng(1)
    total = rng.integers(20, 50, 60)
    counts = np.stack([rng.multinomial(n, [0.5, 0.4, 0.1]) for n in total])
    edge = rng.binomial(counts[:, 1], 0.4)
    decals = {
        "top_total-votes": total,
        "top_smooth": counts[:, 0],
        "top_disk": counts[:, 1],
        "top_star": counts[:, 2],
        "edge_total-votes": counts[:, 1],
        "edge_yes": edge,
        "edge_no": counts[:, 1] - edge,
    }
    first, second = guess_votes(describe_columns(pa.table(decals)))
    assert list(first.answers.values()) == ["top_smooth", "top_disk", "top_star"]
    assert first.total == "top_total-votes"
    assert list(second.answers.values()) == ["edge_yes", "edge_no"]
    zoo = {
        "total_classifications": total,
        "t01_smooth_count": counts[:, 0],
        "t01_disk_count": counts[:, 1],
        "t01_star_count": counts[:, 2],
        "t01_star_flag": np.zeros(60, int),
        "t02_yes_count": edge,
        "t02_no_count": counts[:, 1] - edge,
    }
    guess = guess_votes(describe_columns(pa.table(zoo)))[0]
    assert list(guess.answers) == ["smooth", "disk", "star"]
    assert guess.total == "total_classifications"


def test_answers_that_add_up_to_an_answer_are_told():
    rng = np.random.default_rng(2)
    total = rng.integers(20, 50, 40)
    smooth = rng.binomial(total, 0.6)
    clockwise = rng.binomial(total - smooth, 0.5)
    table = {
        "n_smooth": smooth,
        "n_featured": total - smooth,
        "n_cw": clockwise,
        "n_acw": total - smooth - clockwise,
        "n_votes": total,
    }
    (guess,) = guess_votes(describe_columns(pa.table(table)))
    assert "so do 'n_cw', 'n_acw' to 'n_featured'" in guess.reason
    assert "'after'" in guess.reason


def csv_table(folder, rows, head="id,n_smooth,n_disc,expert"):
    path = folder / "galaxies.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.mark.parametrize("spelled", [("1.0", "0.0", ""), ("True", "False", ""), ("1", "0", "")])
def test_classes_of_a_csv_file_are_spelled_as_they_stand_there(tmp_path, spelled):
    rows = [f"g{i},{9 - i % 5},{1 + i % 5},{spelled[i % 3]}" for i in range(30)]
    guess = guess_config(csv_table(tmp_path, rows))
    (tmp_path / "czsl.toml").write_text(guess.text)
    assert set(read_config(tmp_path).classes.values) == set(spelled[:2])
    assert (Catalogue.read(tmp_path).experts >= 0).sum() == 20


def test_zeros_that_ids_begin_with_are_kept(tmp_path):
    ids = [f"{i:06d}" for i in range(30)]
    table = csv_table(tmp_path, [f"{one},{9 - i % 5},{1 + i % 5},E" for i, one in enumerate(ids)])
    (tmp_path / "images").mkdir()
    for one in ids:
        (tmp_path / "images" / f"{one}.jpg").touch()
    values = found(guess_config(table, tmp_path / "images"))
    assert values["[catalogue] images"] == "images/{id}.jpg"


def test_what_a_csv_column_holds_is_told_by_all_rows_looked_at(tmp_path):
    """The first megabyte has no expert, and magnitudes that are whole numbers."""
    rows = [
        f"gal{i:07d}_{'x' * 30},{9 - i % 5},{1 + i % 5},{'' if i < 30_000 else 'ES'[i % 2]},"
        f"{'18' if i < 30_000 else '18.25'}"
        for i in range(32_000)
    ]
    guess = guess_config(csv_table(tmp_path, rows, "id,n_smooth,n_disc,expert,mag"))
    assert found(guess)["[classes] column"] == "expert"


def test_a_column_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    columns = survey()
    columns["expert"] = [expert or "" for expert in columns["expert"]]
    table = Table(columns)
    table["psf"] = np.zeros((len(table), 2, 2))
    table["power"] = np.zeros(len(table), complex)
    table.write(tmp_path / "galaxies.fits")
    values = found(guess_config(tmp_path / "galaxies.fits"))
    assert values["[catalogue] id"] == "objid"
    assert values["[classes] column"] == "expert"
    (tmp_path / "cut.fits").write_bytes((tmp_path / "galaxies.fits").read_bytes()[:4000])
    with pytest.raises(CatalogueError, match=r"cut\.fits"):
        guess_config(tmp_path / "cut.fits")


def test_an_archive_that_was_cut_is_told(tmp_path):
    table = write(tmp_path, survey())
    picture = tmp_path / "a.jpg"
    picture.write_bytes(np.random.default_rng(0).bytes(50_000))
    with tarfile.open(tmp_path / "cut.tar.gz", "w:gz") as archive:
        archive.add(picture, "a.jpg")
    whole = (tmp_path / "cut.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[:20_000])
    with pytest.raises(CatalogueError, match=r"cut\.tar\.gz: is not a folder, a zip or tar"):
        guess_config(table, tmp_path / "cut.tar.gz")


def test_counts_without_a_total_are_known_by_their_names(tmp_path):
    columns = survey()
    del columns["n_total"]
    guess = guess_config(write(tmp_path, columns))
    (votes,) = make_config(tomllib.loads(guess.text)).votes
    assert votes.names == ("smooth", "clockwise", "anticlockwise")
    assert votes.total is None


def test_a_class_of_volunteers_alone_gives_the_answers(tmp_path):
    columns = {
        "name": [f"g{row}" for row in range(20)],
        "volunteers": ["CW", "ACW", "EL", None] * 5,
        "class": ["early", "late", None, None] * 5,
    }
    guess = guess_config(write(tmp_path, columns))
    config = make_config(tomllib.loads(guess.text))
    assert config.votes[0].label == "volunteers"
    assert config.votes[0].label_values == {"acw": ("ACW",), "cw": ("CW",), "el": ("EL",)}
    assert config.votes[0].mirror == {"cw": "acw"}
    assert config.classes.values == {"early": ("early",), "late": ("late",)}


def test_a_class_beside_counts_is_matched_to_the_answers(tmp_path):
    columns = survey()
    columns["majority_class"] = ["SMOOTH", "clockwise", "anti", None] * 10
    config = make_config(tomllib.loads(guess_config(write(tmp_path, columns)).text))
    assert config.votes[0].label == "majority_class"
    assert config.votes[0].label_values == {
        "smooth": ("SMOOTH",),
        "clockwise": ("clockwise",),
        "anticlockwise": ("anti",),
    }
    columns["majority_class"] = ["smooth", "other", None, None] * 10
    guess = guess_config(write(tmp_path, columns))
    label = next(finding for finding in guess.findings if finding.setting == "[votes] label")
    assert label.reason == "the values of 'majority_class' are not the answers"
    assert make_config(tomllib.loads(guess.text)).votes[0].label is None


def test_classes_called_as_the_answers_are_made_of_them(tmp_path):
    columns = survey()
    columns["expert"] = ["smooth", "clockwise", "anticlockwise", "unknown"] * 10
    config = make_config(tomllib.loads(guess_config(write(tmp_path, columns)).text))
    assert config.classes.names == ("anticlockwise", "clockwise", "smooth")
    assert config.classes.ignore == ("unknown",)
    assert config.classes.from_answers["smooth"] == ("smooth",)
    assert config.classes.mirror == {"clockwise": "anticlockwise"}


def test_a_fold_is_one_by_its_name_and_few_values(tmp_path):
    columns = survey() | {"FOLD": [row % 5 + 1 for row in range(40)]}
    assert found(guess_config(write(tmp_path, columns)))["[catalogue] fold"] == "FOLD"
    columns["FOLD"][0] = None
    assert found(guess_config(write(tmp_path, columns)))["[catalogue] fold"] is None


def test_what_cannot_be_guessed_is_a_comment_to_fill_in(tmp_path):
    guess = guess_config(write(tmp_path, {"x": [0.5, -1.5, 0.5], "y": [0.1, 7.2, 0.1]}))
    assert all(finding.value is None for finding in guess.findings)
    content = tomllib.loads(guess.text)
    assert list(content) == ["catalogue", "images", "recipe"]
    for line in ("# id = ", "# images = ", "# [votes]", "# answers = ", "# [classes]", "# column"):
        assert line in guess.text
    # Filled in, it loads.
    lines = [
        line[2:]
        if line.startswith(("# id =", "# answers", "# column", "# values", "# ["))
        else line
        for line in guess.text.splitlines()
    ]
    assert make_config(tomllib.loads("\n".join(lines))).catalogue.id == "object_id"


@pytest.mark.parametrize(
    ("file", "column", "pattern"),
    [
        ("{}.jpg", "objid", "{objid}.jpg"),
        ("{}.fits", "objid", "{objid}.fits"),
        ("cut_{}_256.png", "objid", "cut_{objid}_256.png"),
        ("a/b/{}.jpg", "objid", "a/b/{objid}.jpg"),
        ("{}.JPG", "name", "{name}.JPG"),
        ("{}", "file", "{file}"),
    ],
)
def test_a_pattern_of_images_is_found(tmp_path, file, column, pattern):
    columns = survey()
    columns["name"] = [f"J12{row:02d}+00.{row}" for row in range(40)]
    columns["file"] = [f"x{row}.jpg" for row in range(40)]
    for value in columns[column][5:]:
        path = tmp_path / "cut outs" / file.format(value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "cut outs" / "readme.txt").touch()
    guess = guess_config(write(tmp_path, columns), tmp_path / "cut outs")
    assert found(guess)["[catalogue] images"] == f"cut outs/{pattern}"
    assert "35 of 40 rows have an image so called" in guess.text


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_pattern_leads_into_an_archive(tmp_path, kind):
    columns = survey()
    archive = tmp_path / f"cutouts.{kind}"
    image = tmp_path / "image.png"
    image.touch()
    names = [f"png/{one}.png" for one in columns["objid"]]
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            for name in names:
                file.write(image, name)
    else:
        with tarfile.open(archive, "w:gz" if kind.endswith("gz") else "w") as file:
            for name in names:
                file.add(image, name)
    guess = guess_config(write(tmp_path, columns), archive)
    assert found(guess)["[catalogue] images"] == f"cutouts.{kind}/png/{{objid}}.png"


def test_images_elsewhere_are_named_in_full_and_allowed(tmp_path):
    columns = survey()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / f"{BIG}.png").touch()
    (tmp_path / "here").mkdir()
    table = write(tmp_path, columns)
    guess = guess_config(table, tmp_path / "images", folder=tmp_path / "here")
    config = make_config(tomllib.loads(guess.text), folder=tmp_path / "here")
    assert config.catalogue.images == f"{tmp_path}/images/{{objid}}.png"
    assert config.catalogue.roots == (str(tmp_path / "images"),)
    assert config.table == table


def test_columns_of_paths_and_of_bytes_are_images(tmp_path):
    columns = survey() | {"file_loc": [f"im/{row}.png" for row in range(40)]}
    assert found(guess_config(write(tmp_path, columns)))["[catalogue] images"] is None
    (tmp_path / "im").mkdir()
    (tmp_path / "im" / "0.png").touch()
    assert found(guess_config(write(tmp_path, columns)))["[catalogue] images"] == "{file_loc}"
    columns = survey() | {"png": [b"\x89PNG"] * 40}
    assert found(guess_config(write(tmp_path, columns)))["[catalogue] images"] == "{png}"


def test_an_hdf5_file_is_in_the_order_of_the_table(tmp_path):
    (tmp_path / "cut.h5").touch()
    guess = guess_config(write(tmp_path, survey()), tmp_path / "cut.h5")
    assert found(guess)["[catalogue] images"] == "cut.h5"


def test_images_that_no_column_names_are_told(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "other.png").touch()
    guess = guess_config(write(tmp_path, survey()), tmp_path / "images")
    assert "none of the 1 images in images is named by a column" in guess.text


@pytest.mark.parametrize("name", ["nothing", "notes.txt"])
def test_images_that_cannot_be_read_are_told(tmp_path, name):
    (tmp_path / "notes.txt").write_text("no archive")
    message = f"{name}: is not a folder, a zip or tar archive, or an HDF5 file of images"
    with pytest.raises(CatalogueError, match=message):
        guess_config(write(tmp_path, survey()), tmp_path / name)


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CatalogueError, match=r"none\.csv: there is no such file"):
        guess_config(tmp_path / "none.csv")


def test_an_id_that_predictions_have_no_room_for_is_told(tmp_path):
    columns = {"Source": ["a", "b", "c", "d"], "expert": ["E", "S", "E", "S"]}
    guess = guess_config(write(tmp_path, columns))
    assert found(guess)["[catalogue] id"] is None
    reason = guess.findings[0].reason
    assert reason.endswith("row but 'Source', called as a column of predictions: rename it")
    more = guess_config(write(tmp_path, {**columns, "name": ["a", "b", "c", "d"]}))
    assert found(more)["[catalogue] id"] == "name"


def test_classes_that_a_catalogue_could_not_tell_apart_get_names_that_it_can(tmp_path):
    columns = {"id": list("abcdef"), "expert": ["E|S0", "s0", "S0"] * 2}
    path = write(tmp_path, columns)
    config = make_config(tomllib.loads(guess_config(path).text), folder=tmp_path)
    assert config.classes.values == {"E/S0": ("E|S0",), "S0": ("S0",), "s0_2": ("s0",)}


@pytest.mark.parametrize("kind", [pa.uint64(), pa.uint32(), pa.int64(), pa.int8()])
def test_whole_numbers_of_any_type_are_ids_as_they_stand(tmp_path, kind):
    ids = {pa.uint64(): [2**64 - 1, 2**63, 3, 0], pa.int64(): [2**63 - 1, -(2**63), 3, 0]}
    values = ids.get(kind, [4, 1, 3, 0])
    path = write(tmp_path, {"objid": pa.array(values, kind), "expert": ["E", "S", "E", "S"]})
    assert found(guess_config(path))["[catalogue] id"] == "objid"
    column = describe_columns(pa.table({"objid": pa.array(values, kind)}))[0]
    assert column.values == [str(value) for value in values]


def test_mirrored_names_keep_their_case():
    assert mirrored(["CW", "x", "ACW"]) == {"CW": "ACW"}
    assert mirrored(["Left", "Right"]) == {"Left": "Right"}
    assert mirrored(["clockwise", "edge"]) == {}


text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=8)


@given(
    names=st.lists(text, min_size=5, max_size=5, unique_by=str.lower),
    values=st.sets(text, min_size=2, max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_any_names_and_values_make_a_configuration_that_loads(tmp_path_factory, names, values):
    folder = tmp_path_factory.mktemp("any")
    one, two, total, who, expert = names
    counts = np.arange(8)
    columns = {
        f"objid {who}": [f"g{row}" for row in range(8)],  # so called that it is before an "ID"
        one: counts,
        two: 2 * counts + 1,
        total: 3 * counts + 1,
        f"expert {expert}": (sorted(values) * 8)[:8],
    }
    guess = guess_config(write(folder, columns))
    content = tomllib.loads(guess.text)
    values = found(guess)
    assert content["catalogue"]["id"] == f"objid {who}"
    if values["[votes] answers"] and "classes" in content:
        config = make_config(content, folder=folder)
        assert set(config.votes[0].answers.values()) == {one, two}
        Catalogue.read(config)


@pytest.mark.parametrize(
    ("name", "total", "column", "images"),
    [
        ("votes_es_erl.csv", "NVOTE", "EXPERT", 407),
        ("votes_mergers.csv", "NVOTE", "ES_EXPERT", 439),
        ("amateur_class.csv", None, None, 6664),
    ],
)
def test_real_tables_are_guessed(shared_data, name, total, column, images):
    guess = guess_config(shared_data / "gz1" / name, shared_data / "gz1" / "images")
    values = found(guess)
    assert values["[catalogue] id"] == "OBJID"
    assert values["[catalogue] images"] == "images/{OBJID}.jpeg"
    assert f"{images:,} of" in guess.text
    assert values["[classes] column"] == column
    content = tomllib.loads(guess.text)
    if total is None:
        assert content["votes"]["label"] == "AMATEUR_CLASS"
        assert content["votes"]["mirror"] == {"cw": "acw"}
        return
    votes = make_config(content).votes[0]
    assert votes.total == total
    names = ("el", "cw", "acw", "edge", "dk", "mg")
    assert votes.answers == {answer: f"N_{answer.upper()}" for answer in names}
    assert make_config(content).catalogue.fold == "FOLD"
