"""A configuration is read whole, written as it was resolved, and told all its slips at once."""

import tomllib
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czsl.config import make_config, read_config, write_config
from czsl.errors import ConfigError

FULL = """
[catalogue]
table  = "galaxies.csv"
id     = "OBJID"
images = "images/{OBJID}_{band}.fits"
fold   = "FOLD"
roots  = ["/archive"]

[[votes]]
question = "shape"
answers = { smooth = "n_smooth", disc = "n_disc" }
total   = "n"
extra   = ["z"]

[[votes]]
question = "sense"
after   = "disc"
answers = { clockwise = "n_cw", anticlockwise = "n_acw" }
unit    = "fractions"
label   = "winner"
label_values = { clockwise = ["CW", "S"], anticlockwise = "Z", none = 0 }
mirror  = { clockwise = "anticlockwise" }

[classes]
column  = "EXPERT"
values  = { early = ["M", 1], late = "L" }
ignore  = "?"
from_answers = { early = "smooth", late = ["disc"] }

[images]
crop = 0.5
size = 48
bands = ["i", "r", "g"]
stretch = { scale = 2, softening = 10 }

[recipe]
name = "czsl2023"
reconstruct = false
finetune = { epochs = 7 }
"""

BASE = {
    "catalogue": {"table": "a.csv", "id": "id"},
    "votes": {"answers": {"a": "n_a", "b": "n_b", "c": "n_c"}},
    "classes": {"column": "expert", "values": {"early": "E", "late": "S"}},
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "czsl.toml"
    path.write_text(FULL)
    return path


def with_changes(**changes):
    """Change settings of some sections; None takes a section away."""
    content = deepcopy(BASE)
    for section, settings in changes.items():
        if settings is None:
            del content[section]
        elif isinstance(settings, dict):
            content[section] = {**content.get(section, {}), **settings}
        else:
            content[section] = settings
    return content


def told(content):
    """Give what is told of a configuration that cannot be used."""
    with pytest.raises(ConfigError, match=r"^\d+ problem") as caught:
        make_config(content, name="czsl.toml")
    return str(caught.value)


def test_every_section_is_read(path):
    config = read_config(path)
    assert config.table == path.parent / "galaxies.csv"
    assert [votes.question for votes in config.votes] == ["shape", "sense"]
    assert config.votes[1].after == "disc"
    assert config.votes[1].names == ("clockwise", "anticlockwise", "none")
    assert config.votes[1].label_values["none"] == ("0",)
    assert config.classes.names == ("early", "late")
    assert config.classes.values == {"early": ("M", "1"), "late": ("L",)}
    assert config.classes.from_answers == {"early": ("smooth",), "late": ("disc",)}
    assert (config.images.crop, config.images.size, config.images.seen) == (0.5, 48, 48)
    assert config.recipe.reconstruct is None
    assert config.recipe.finetune.epochs == 7
    assert config.recipe.finetune.batch == 32


def test_the_folder_stands_for_the_file_in_it(path):
    assert read_config(path.parent) == read_config(path)


def test_what_is_written_is_read_back_with_every_stage_left_out_left_out(path):
    config = read_config(path)
    write_config(config, path)
    again = read_config(path)
    assert again == config
    assert again.recipe.reconstruct is None
    assert tomllib.loads(path.read_text())["recipe"]["reconstruct"] is False


names = st.text("abcdefgh_", min_size=1, max_size=6)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)


@given(
    answers=st.dictionaries(names, texts, min_size=2, max_size=5),
    values=st.lists(
        texts.filter(lambda text: "|" not in text),
        min_size=2,
        max_size=4,
        unique_by=lambda text: repr(text).lower(),
    ),
    stages=st.sets(st.sampled_from(["reconstruct", "pretrain", "transfer", "finetune"])),
    recipe=st.sampled_from(["default", "czsl2023"]),
    crop=st.none() | st.integers(8, 999) | st.floats(0.1, 1),
)
def test_any_configuration_survives_the_round_trip(answers, values, stages, recipe, crop):
    answers = dict(zip(answers, dict.fromkeys(answers.values()), strict=False))
    content = {
        **BASE,
        "votes": {"answers": answers},
        "classes": {"column": "x", "values": {f"class {v!r}": v for v in values}},
        "images": {} if crop is None else {"crop": crop},
        "recipe": {"name": recipe, **dict.fromkeys(stages, False)},
    }
    config = make_config(content)
    again = make_config(tomllib.loads(config.to_toml()))
    assert again == config
    assert all(getattr(again.recipe, stage) is None for stage in stages)


def test_settings_are_by_default_what_the_documentation_says():
    config = make_config(BASE)
    assert config.votes[0].unit == "auto"
    assert (config.images.size, config.images.crop, config.images.channels) == (64, None, None)
    assert config.recipe.name == "default"
    assert config.folder == Path(".")


def test_numbers_and_yes_or_no_stand_for_their_spelling():
    values = {"yes": True, "no": [False, 0]}
    assert make_config(with_changes(classes={"values": values})).classes.values == {
        "yes": ("true",),
        "no": ("false", "0"),
    }


def test_a_missing_file_says_what_writes_one(tmp_path):
    with pytest.raises(ConfigError, match=r"czsl\.toml: there is no such file; 'czsl init TABLE'"):
        read_config(tmp_path)


def test_what_is_not_toml_is_told_with_its_line(tmp_path):
    path = tmp_path / "czsl.toml"
    path.write_text("[catalogue\ntable = 1")
    with pytest.raises(ConfigError, match=r"czsl\.toml: is not TOML: .*line 1"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"czsl\.toml: cannot be read \('utf-8' codec"):
        read_config(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # words that are not known, with the nearest that are
        ({"imgaes": {}}, "czsl.toml, [imgaes]: is not a setting; did you mean 'images'?"),
        ({"folder": "x"}, "czsl.toml, folder: is not a setting; leave it out"),
        ({"catalogue": {"fodl": "F"}}, "[catalogue] fodl: is not a setting; did you mean 'fold'?"),
        ({"images": {"stretch": {"Q": 8}}}, "[images] stretch.Q: is not a setting; there are"),
        ({"recipe": {"pretrian": 1}}, "[recipe] pretrian: is not a setting; did you mean 'pre"),
        # values of another kind
        ({"catalogue": "a.csv"}, "[catalogue]: got 'a.csv'; a table of settings is needed"),
        ({"catalogue": {"id": 7}}, "[catalogue] id: got 7; text is needed"),
        ({"catalogue": {"roots": "/a"}}, '[catalogue] roots: got \'/a\'; a list, such as ["a", "b'),
        ({"votes": {"answers": ["n"]}}, "[votes] answers: got ['n']; a table, such as { a = "),
        ({"votes": {"answers": {"a": ["n"]}}}, "[votes] answers.a: got ['n']; text is needed"),
        ({"votes": {"unit": "count"}}, "[votes] unit: got 'count'; it is one of 'auto', 'counts'"),
        ({"votes": "n"}, "czsl.toml, [votes]: got 'n'; a table of settings is needed"),
        ({"classes": {"values": {"a": 1.5, "b": 1}}}, "[classes] values.a: got 1.5; text is need"),
        ({"images": {"crop": "x"}}, "[images] crop: got 'x'; a whole number or a number is needed"),
        ({"images": {"crop": True}}, "[images] crop: got True; a whole number or a number is ne"),
        ({"images": {"size": "64"}}, "[images] size: got '64'; a whole number is needed"),
        ({"images": {"channels": 1.0}}, "[images] channels: got 1.0; a whole number is needed"),
        ({"images": {"stretch": {"scale": "5"}}}, "stretch.scale: got '5'; a number is needed"),
        ({"images": {"size": 4}}, "[images] size: got 4; it must be 8 or more"),
        ({"images": {"channels": 9}}, "[images] channels: got 9; it must be 8 or less"),
        ({"images": {"stretch": {"scale": -1}}}, "stretch.scale: got -1; it must be above 0"),
        ({"recipe": "default"}, "recipe: got 'default'; a table of settings is needed"),
        ({"arms": {"a": {"fuse": 0}}}, "[arms.a] fuse: got 0; true or false is needed"),
        ({"recipe": {"name": 3}}, "[recipe] name: there is no recipe 3; there are 'default'"),
        # what is not there
        ({"catalogue": None}, "[catalogue]: is missing; give it"),
        ({"classes": None}, "[classes]: is missing; give it"),
        # what does not hold together
        ({"catalogue": {"images": "{id"}}, "'images' is '{id'; each column stands in braces, as"),
        ({"catalogue": {"images": "a/{}.png"}}, "each column stands in braces, as {id}"),
        ({"catalogue": {"images": "{id}_{band}"}}, "[images] names no 'bands'; name them"),
        ({"votes": [{}]}, "[votes]: neither 'answers' nor 'label' is given; name a column"),
        ({"votes": [{"label": "w"}]}, "'label' is given alone; say in 'label_values' what it"),
        ({"votes": {"label_values": {"a": "1"}}}, "'label_values' is given and 'label' is not"),
        ({"votes": {"answers": {"a": "n", "b": "n"}}}, "gives the column 'n' to two answers"),
        (
            {"votes": {"label": "w", "label_values": {"a": "1", "b": ["1"]}}},
            "[votes]: the value '1' stands for both 'a' and 'b'; leave it to one",
        ),
        (
            {"votes": {"label": "w", "label_values": {"a": "b"}}},
            "the value 'b' stands for both 'a' and 'b'",
        ),
        ({"classes": {"values": {"a": "x"}}}, "[classes]: 'values' names 1 class; two or more"),
        ({"classes": {"ignore": "S"}}, "the value 'S' stands for both 'late' and 'ignore'"),
        (
            {"classes": {"from_answers": {"erly": "a"}}},
            "[classes]: 'from_answers' names the class 'erly'; did you mean 'early'?",
        ),
        (
            {"classes": {"from_answers": {"early": ["x"]}}},
            "from_answers of 'early' names the answer 'x'; there are 'a', 'b', 'c'",
        ),
        (
            {"classes": {"from_answers": {"early": "a", "late": ["b", "a"]}}},
            "the answer 'a' makes both 'early' and 'late'; leave it to one",
        ),
        (
            {"classes": {"values": {"E|S0": "E", "S": "S"}}},
            "[classes]: the class 'E|S0' holds '|', which stands between the classes of a set; "
            "rename the class",
        ),
        (
            {"classes": {"values": {"merger": "M", "image_merger": "I"}}},
            "[classes]: the classes 'image_merger' and 'merger' both make the column "
            "'p_image_merger' of predictions; rename one of them",
        ),
        (
            {"classes": {"values": {"S0": "S0", "s0": "s0"}}},
            "the classes 'S0' and 's0' both make the column 'p_s0' of predictions; rename one of",
        ),
        ({"classes": {"values": {" ": "E", "S": "S"}}}, "a class is called ' '; give it a name"),
        (
            {"catalogue": {"id": "source"}},
            "[catalogue] id is 'source', and predictions have a column 'source' of their own; "
            "rename the column in the table and here",
        ),
        ({"catalogue": {"id": "Flags"}}, "id is 'Flags', and predictions have a column 'flags'"),
        ({"catalogue": {"id": "fold"}}, "id is 'fold', and predictions have a column 'fold'"),
        ({"catalogue": {"id": "p_votes_late"}}, "have a column 'p_votes_late' of their own"),
        ({"catalogue": {"id": ":ra"}}, "have a column ':ra' of their own"),
        (
            {"images": {"size": 60}, "recipe": {"name": "czsl2023"}},
            "[images] gives views of 60 pixels, and the published network of [recipe] halves "
            "images three times; choose a multiple of 8, as 64",
        ),
        (
            {"recipe": {"name": "default", "transfer": {"extra": ["redshift"]}}},
            "[recipe] transfer: 'extra' names 'redshift', which [votes] extra does not",
        ),
        ({"images": {"crop": 4}}, "'crop' is 4; in pixels it must be 8 or more"),
        ({"images": {"crop": 1.5}}, "'crop' is 1.5; a fraction is above 0 and at most 1.0"),
        ({"images": {"view": 65}}, "'view' is 65; it must be 'size' or less, which is 64"),
        ({"compare": {"arms": []}}, "[compare]: 'arms' is empty; name arms or groups of them"),
        ({"arms": {"votes": {}}}, "[arms] 'votes' is the name of a group of arms; choose another"),
        ({"arms": {"": {}}}, "[arms] '' cannot be the name of a folder; choose a name without '/'"),
        ({"arms": {"a/b": {}}}, "[arms] 'a/b' cannot be the name of a folder"),
        ({"arms": {"..": {}}}, "[arms] '..' cannot be the name of a folder"),
    ],
)
def test_what_cannot_be_used_is_said_with_what_can(changes, message):
    text = told(with_changes(**changes))
    assert text.startswith("1 problem\n")
    assert message in text


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ({"a": "x"}, "'mirror' pairs 'a' with 'x', and there is no answer 'x'; there are 'a', 'b'"),
        ({"x": "a"}, "'mirror' pairs 'x' with 'a', and there is no answer 'x'"),
        ({"a": "a"}, "'mirror' pairs 'a' with 'a', which is not a pair of its own; name each"),
        ({"a": "b", "b": "c"}, "'mirror' pairs 'a' with 'b', which is not a pair of its own"),
        ({"a": "c", "b": "c"}, "'mirror' pairs 'b' with 'c', which is not a pair of its own"),
    ],
)
def test_a_mirror_that_does_not_pair_up_is_refused(mirror, message):
    assert f"czsl.toml, [votes]: {message}" in told(with_changes(votes={"mirror": mirror}))


def test_a_mirror_of_classes_is_checked_too():
    text = told(with_changes(classes={"mirror": {"early": "lat"}}))
    assert "[classes]: 'mirror' pairs 'early' with 'lat', and there is no class 'lat'" in text
    assert "did you mean 'late'?" in text


def test_a_pair_may_be_named_both_ways():
    config = make_config(with_changes(votes={"mirror": {"a": "b", "b": "a"}}))
    assert config.votes[0].mirror == {"a": "b", "b": "a"}


SHAPE = {"question": "shape", "answers": {"smooth": "n_s", "disc": "n_d"}}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"afer": "disc"}, "[[votes]] 'sense' afer: is not a setting; did you mean 'after'?"),
        ({"unit": 3}, "[[votes]] 'sense' unit: got 3; it is one of"),
        ({"mirror": {"cw": "x"}}, "[[votes]] 'sense': 'mirror' pairs 'cw' with 'x'"),
        ({"question": None}, "[[votes]] number 2 question: got None; text is needed"),
        ({"question": "shape"}, "two questions of [[votes]] are called 'shape'; give each a"),
        (
            {"after": "dsic"},
            "'sense' is asked after 'dsic', which is no answer of a question before",
        ),
        ({"after": "cw"}, "'sense' is asked after 'cw', which is no answer of a question before"),
        ({"answers": {"cw": "a", "disc": "b"}}, "the answer 'disc' belongs to both 'shape' and"),
    ],
)
def test_slips_of_one_question_of_several_name_it(second, message):
    question = {"question": "sense", "answers": {"cw": "n_cw", "acw": "n_acw"}, **second}
    assert message in told(with_changes(votes=[SHAPE, question]))


def test_a_question_without_a_name_is_called_by_its_number():
    text = told(with_changes(votes=[SHAPE, {"answers": {"a": 1}}, "x"]))
    assert "[[votes]] number 2 answers.a: got 1; text is needed" in text
    assert "[[votes]] number 3: got 'x'; a table of settings is needed" in text


def test_slips_of_all_sections_are_told_at_once():
    content = with_changes(
        catalogue={"tabel": "a.csv"},
        votes={"mirror": {"a": "x"}, "answers": {"a": "n", "b": "n"}},
        classes={"values": {"early": "E"}, "from_answers": {"x": "a"}},
        images={"size": 1, "sise": 2},
        recipe={"name": "x"},
    )
    text = told(content)
    assert text.startswith("8 problems\n")
    assert "  8. " in text


def test_the_example_of_the_documentation_can_be_used():
    example = make_config(
        {
            "catalogue": {"table": "galaxies.csv", "id": "OBJID", "images": "images/{OBJID}.jpeg"},
            "votes": {
                "answers": {"elliptical": "N_EL", "clockwise": "N_CW", "anticlockwise": "N_ACW"},
                "total": "NVOTE",
                "label": "AMATEUR_CLASS",
                "label_values": {"elliptical": "EL", "clockwise": "CW", "anticlockwise": "ACW"},
                "extra": ["EL_DEB", "CS_DEB"],
                "mirror": {"clockwise": "anticlockwise"},
            },
            "classes": {"column": "EXPERT", "values": {"early": "M", "late": "L"}},
            "images": {"crop": 128, "size": 64},
        }
    )
    assert example.votes[0].names == ("elliptical", "clockwise", "anticlockwise")
    assert (example.images.crop, type(example.images.crop)) == (128, int)


def test_a_view_has_the_same_margin_on_all_sides():
    with pytest.raises(ConfigError, match="both must be even or both odd"):
        make_config({**BASE, "images": {"size": 64, "view": 49}})
