"""The model folder: the same predictions after loading, no pickle, every damage told."""

import json
import pickletools
import shutil
from dataclasses import replace

import numpy as np
import pytest

from czsl import bundle
from czsl.bundle import SCHEMA, read_bundle
from czsl.errors import ModelError, NotFittedError, WriteError
from czsl.model import CzSL
from tiny import quick, tiny_catalogue, tiny_model


@pytest.fixture
def folder(runs, tmp_path):
    """A copy of a model folder, to be damaged."""
    return shutil.copytree(runs["default"] / "model", tmp_path / "model")


def rows(table) -> list[tuple]:
    return [tuple(row) for row in table.as_array().tolist()]


@pytest.mark.parametrize("name", ["default", "czsl2023"])
def test_a_loaded_model_predicts_bit_for_bit_what_the_fitted_one_did(survey, tmp_path, name):
    catalogue = tiny_catalogue(survey, quick(name))
    model = tiny_model(seed=3).fit(catalogue)
    expected = model.predict(catalogue)
    model.save(tmp_path / "model")
    loaded = CzSL.load(tmp_path / "model", device="cpu", threads=1)
    assert rows(loaded.predict(catalogue)) == rows(expected)
    assert loaded.classes_ == model.classes_ == ("round", "cw", "acw")
    assert loaded.scores_ == model.scores_
    assert loaded.notes_ == model.notes_
    assert loaded.recipe == quick(name)
    known = model.predictor.content.fingerprint
    assert known == loaded.predictor.with_fingerprint().content.fingerprint
    again = tmp_path / "again"
    loaded.save(again)
    for file in ("model.json", "weights.safetensors", "README.md"):
        assert (again / file).read_bytes() == (tmp_path / "model" / file).read_bytes()


def test_the_fingerprint_is_of_all_that_the_folder_holds(runs):
    predictor = CzSL.load(runs["default"] / "model", device="cpu", threads=1).predictor
    record, content = predictor.record, predictor.content
    others = {
        "networks": predictor.networks[::-1],
        "transfer": None,
        "fusion": None,
        "novelty": None,
        "trained": predictor.trained[1:],
        "record": replace(record, image=record.image * (1 - 1e-12)),
        "content": content.model_copy(update={"lapse": content.lapse + 1e-12}),
    }
    made = [predictor, *(replace(predictor, **{name: one}) for name, one in others.items())]
    known = [one.with_fingerprint().content.fingerprint for one in made]
    assert known[0] == content.fingerprint
    assert len(set(known)) == len(others) + 1


def test_the_folder_holds_three_plain_files_and_no_pickle(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "model.json",
        "weights.safetensors",
    ]
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not content.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x80\x05"))
        with pytest.raises((ValueError, UnicodeDecodeError)):
            list(pickletools.genops(content))
        assert b"sklearn" not in content
    json.loads((folder / "model.json").read_text(), parse_constant=pytest.fail)


def test_the_card_says_what_a_reader_should_know(folder, runs):
    card = (folder / "README.md").read_text()
    metrics = json.loads((runs["default"] / "metrics.json").read_text())["scores"]["image"]
    for part in (
        "recipe `default`",
        "round, cw, acw",
        "20 expert, 28 volunteer, 12 unlabelled",
        "32 x 32 pixels and 3 band(s)",
        f"| image | {metrics['accuracy']:.3f} | {metrics['low']:.3f} to {metrics['high']:.3f}",
    ):
        assert part in card


def edit(folder, change) -> None:
    path = folder / "model.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def sign(document) -> None:
    """Make the checksum fit a content that was changed."""
    canonical = bundle._canonical(document["content"])
    document["checksums"]["content"] = bundle._sha256(canonical)


def damage_future(folder):
    edit(folder, lambda d: d.update(schema=SCHEMA + 1))


def damage_past(folder):
    edit(folder, lambda d: d.update(schema=SCHEMA - 1))


def damage_no_schema(folder):
    edit(folder, lambda d: d.pop("schema"))


def damage_foreign(folder):
    (folder / "model.json").write_text('{"architectures": ["ViT"]}')


def damage_list(folder):
    (folder / "model.json").write_text("[]")


def damage_cut(folder):
    path = folder / "model.json"
    path.write_bytes(path.read_bytes()[:500])


def damage_edited(folder):
    edit(folder, lambda d: d["content"].update(temperature=2.0))


def damage_no_checksums(folder):
    edit(folder, lambda d: d.update(checksums=[]))


def damage_weights(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def damage_flipped(folder):
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def damage_no_weights(folder):
    (folder / "weights.safetensors").unlink()


def damage_no_json(folder):
    (folder / "model.json").unlink()


def damage_unknown(folder):
    def change(document):
        document["content"]["from_the_future"] = 1
        document["content"]["temperature"] = -1.0
        sign(document)

    edit(folder, change)


def damage_architecture(folder):
    def change(document):
        document["content"]["recipe"]["width"] = 8
        sign(document)

    edit(folder, change)


def damage_binary(folder):
    (folder / "model.json").write_bytes(b"\x80\x04\x95 a pickle")


DAMAGES = {
    damage_future: rf"model\.json: has schema version {SCHEMA + 1}, newer than the {SCHEMA} that "
    "this version of czsl reads; install a newer czsl$",
    damage_past: rf"model\.json: has schema version {SCHEMA - 1}, older than the {SCHEMA} that "
    "this version of czsl reads; fit the model again, or install the version of czsl that wrote "
    "it$",
    damage_no_schema: r"model\.json: has no schema version; it was changed or cut$",
    damage_foreign: r"model\.json: is not a model of czsl$",
    damage_list: r"model\.json: is not a model of czsl$",
    damage_cut: r"model\.json: is not JSON .*; it was cut or changed",
    damage_binary: r"model\.json: is not JSON .*; it was cut or changed",
    damage_edited: r"model\.json: does not match its checksum; it was changed or cut",
    damage_no_checksums: r"model\.json: has no checksums",
    damage_weights: r"weights\.safetensors: does not match its checksum",
    damage_flipped: r"weights\.safetensors: does not match its checksum",
    damage_no_weights: r"weights\.safetensors: cannot be read \(No such file .*is not whole",
    damage_no_json: r"model\.json: cannot be read \(No such file .*is not whole",
    damage_unknown: r"model\.json: cannot be used: .*temperature: .*from_the_future: ",
    damage_architecture: "the weights do not fit the settings",
}


@pytest.mark.parametrize("damage", list(DAMAGES), ids=lambda damage: damage.__name__)
def test_what_is_wrong_with_a_folder_is_told_and_nothing_is_loaded(folder, damage):
    damage(folder)
    with pytest.raises(ModelError, match=DAMAGES[damage]):
        CzSL.load(folder, device="cpu")


def test_a_folder_that_is_not_there_or_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("nothing", "file"):
        with pytest.raises(ModelError, match=f"{name}: there is no such model folder; 'czsl fit'"):
            read_bundle(tmp_path / name)


def test_the_run_that_holds_the_model_is_told_of(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "fit" / "model")
    with pytest.raises(ModelError, match=r"fit: is a run; its model is .*fit/model"):
        read_bundle(tmp_path / "fit")


def test_weights_that_fit_their_checksum_and_are_no_safetensors(folder):
    (folder / "weights.safetensors").write_bytes(b"PK\x03\x04" + bytes(100))
    digest = bundle._sha256((folder / "weights.safetensors").read_bytes())
    edit(folder, lambda d: d["checksums"].update({"weights.safetensors": digest}))
    with pytest.raises(ModelError, match=r"weights\.safetensors: is not a safetensors file"):
        CzSL.load(folder, device="cpu")


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("moment", ["write_bytes", "write_text", "rename"])
def test_a_failed_save_leaves_the_old_model_intact(folder, fitted, monkeypatch, moment):
    """The disk is full at each of the moments of a save."""
    before = contents(folder)
    path_type = type(folder)
    original = getattr(path_type, moment)

    def full(path, *arguments, **options):
        if path.name.endswith(".part") or path.parent.name.endswith(".part"):
            raise OSError(28, "No space left on device")
        return original(path, *arguments, **options)

    monkeypatch.setattr(path_type, moment, full)
    with pytest.raises(WriteError, match=r"model: cannot be written \(No space left on device\)"):
        fitted[0].save(folder)
    monkeypatch.undo()
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_new_model_takes_the_place_of_an_old_one(folder, fitted):
    (folder / "model.json").write_text("old")
    fitted[0].save(folder)
    assert CzSL.load(folder, device="cpu").classes_ == ("round", "cw", "acw")
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_model_never_replaces_anything_else(tmp_path, fitted, kind):
    precious = tmp_path / "thesis"
    if kind == "folder":
        precious.mkdir()
        (precious / "chapter1.tex").write_text("years")
    else:
        precious.write_text("years")
    with pytest.raises(WriteError, match=r"thesis: holds '.*', which is no part of a model"):
        fitted[0].save(precious)
    assert (precious if kind == "file" else precious / "chapter1.tex").read_text() == "years"


@pytest.mark.parametrize("name", [".", "..", "../work"])
def test_a_model_is_not_saved_in_place_of_the_working_folder(tmp_path, fitted, monkeypatch, name):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(WriteError, match=rf"^{name}: .* this command works in .*name a folder"):
        fitted[0].save(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


def test_a_model_saved_by_a_name_that_steps_up(tmp_path, fitted, monkeypatch):
    (tmp_path / "other/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "other")
    fitted[0].save("deep/../../kept")
    assert CzSL.load(tmp_path / "kept", device="cpu").classes_ == ("round", "cw", "acw")
    fitted[0].save("../kept/../kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "other"]


def test_before_fit_there_is_nothing_to_ask(tmp_path):
    model = CzSL()
    for ask in (lambda: model.save(tmp_path / "a"), lambda: model.classes_, lambda: model.scores_):
        with pytest.raises(NotFittedError, match="this model is not fitted; call fit"):
            ask()
    assert not (tmp_path / "a").exists()


def test_probabilities_are_calibrated_by_the_models_own_numbers(folder, survey):
    catalogue = tiny_catalogue(survey, quick("default"))
    names = [f"p_image_{name}" for name in CzSL.load(folder).classes_]

    def predicted() -> np.ndarray:
        table = CzSL.load(folder, device="cpu", threads=1).predict(catalogue)
        given = np.ma.column_stack([table[name] for name in names])
        return given.compressed().reshape(-1, len(names))

    def change(document):
        content = document["content"]
        content["temperature"] *= 2
        content["lapse"], content["shares"] = 0.25, shares
        sign(document)

    sharp, shares = predicted(), [0.5, 0.3, 0.2]
    calibrator = read_bundle(folder)[0].calibrator
    edit(folder, change)
    flat = predicted()
    root = np.sqrt(calibrator.before(sharp) ** (1 / calibrator.temperature))
    expected = 0.75 * root / root.sum(axis=1, keepdims=True) + 0.25 * np.array(shares)
    np.testing.assert_allclose(flat, expected, atol=1e-5)
    assert np.all(flat.max(axis=1) < sharp.max(axis=1))
    assert np.abs(flat - sharp).max() > 0.05
