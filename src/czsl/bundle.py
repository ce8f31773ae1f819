"""A model on disk: JSON, safetensors and a card to read. Loading runs no code.

========================  =========================================================
``model.json``            everything but the weights, and the checksums
``weights.safetensors``   the networks, the transfer and the rest, as plain numbers
``README.md``             the model card
========================  =========================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError
from torch import Tensor

from czsl.config import CatalogueSettings, ClassesSettings, ImagesSettings, VotesSettings
from czsl.errors import ModelError, WriteError, writing
from czsl.files import sync
from czsl.recipes import Recipe, Settings
from czsl.sections import MAX_BANDS
from czsl.stages.calibrate import Calibrator

SCHEMA = 6
"""Version of the format; raised whenever an older reader would misread the new one."""

WEIGHTS = "weights.safetensors"


class ModelContent(Settings):
    """What ``model.json`` holds, besides the checksums.

    Attributes
    ----------
    version
        Version of the package that wrote it.
    name
        Name of the model.
    fingerprint
        Hash of all that the folder holds: every tensor, and this content but for the hash.
    catalogue, votes, classes, images
        The sections of the configuration that it was trained with, resolved.
    channels
        Channels of the images.
    native
        Height, width and bands of the cutouts that it was trained on; 0 where they differed.
    recipe
        Settings of the stages.
    encoder
        The pretrained encoder without its weights (:func:`czsl.nets.pretrained.encoder_json`).
    networks
        Number of networks.
    from_answers
        Whether classes are read off the volunteers' answers.
    temperature, lapse, shares
        Make posteriors of logits (:class:`czsl.stages.calibrate.Calibrator`).
    transfer
        Whether a transfer is there, and whether it collapsed.
    scores
        What it reached on experts' objects that it was not trained on.
    calibration
        Calibration error of each source of posteriors, with its interval.
    sets
        How sets are made: ``coverage, method, weighted, unsupported``; empty for none.
    choices
        Weights of transferred labels that were tried.
    representative
        Whether the experts' images look like the others; None where that is not known.
    notes
        What was left out and why.
    data
        Fingerprints of the catalogue and the images, and the number of objects by tier.
    """

    version: str
    name: str
    fingerprint: str
    catalogue: CatalogueSettings
    votes: tuple[VotesSettings, ...]
    classes: ClassesSettings
    images: ImagesSettings
    channels: int = Field(ge=1, le=MAX_BANDS)
    native: tuple[int, int, int]
    recipe: Recipe
    encoder: str | None = None
    networks: int = Field(ge=1)
    from_answers: bool
    temperature: float = Field(gt=0)
    lapse: float = Field(ge=0, lt=1)
    shares: tuple[float, ...]
    transfer: Literal["none", "fitted", "collapsed"]
    scores: dict[str, Any]
    calibration: dict[str, Any]
    sets: dict[str, Any]
    choices: tuple[dict[str, Any], ...]
    representative: dict[str, Any] | None
    notes: tuple[str, ...]
    data: dict[str, Any]

    @property
    def calibrator(self) -> Calibrator:
        """What makes posteriors of logits."""
        shares = np.array(self.shares)
        return Calibrator(temperature=self.temperature, lapse=self.lapse, shares=shares)


def write_bundle(
    folder: Path, content: ModelContent, tensors: Mapping[str, Tensor], card: str
) -> None:
    """Write a model folder, whole or not at all; an older model there is replaced.

    Parameters
    ----------
    folder
        Where the model goes.
    content
        Everything but the weights.
    tensors
        The weights.
    card
        Text of the model card, Markdown.

    Raises
    ------
    WriteError
        Where the folder cannot be written, holds anything but a model or is the working
        folder; what stood there is intact.
    """
    from safetensors.torch import save

    folder = _replaceable(folder)
    _refuse_other_content(folder)
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    body = content.model_dump(mode="json")
    document = {
        "format": "czsl model",
        "schema": SCHEMA,
        "checksums": {WEIGHTS: _sha256(weights), "content": _sha256(_canonical(body))},
        "content": body,
    }
    new = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        with writing(folder):
            new.mkdir(parents=True)
            (new / WEIGHTS).write_bytes(weights)
            (new / "README.md").write_text(card, encoding="utf-8")
            (new / "model.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
            for path in [*new.iterdir(), new]:
                sync(path)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(new, ignore_errors=True)


def _replaceable(folder: Path) -> Path:
    """Spell a folder by a name of its own, and refuse the working folder and those around it.

    A model is put in place as a whole, under its name, and whoever works in a folder that is
    replaced goes on in one that is gone.
    """
    whole = folder.resolve()
    if Path.cwd().is_relative_to(whole):
        raise WriteError(
            f"{folder}: the folder of a model is replaced as a whole, and this command works in "
            f"{whole}; name a folder of the model's own, such as {str(folder / 'model')!r}"
        )
    return whole if ".." in folder.parts else folder  # a name may step through what is replaced


def _refuse_other_content(folder: Path) -> None:
    """Refuse to put a model in the place of anything but a model."""
    known = {WEIGHTS, "model.json", "README.md"}
    if folder.is_dir():
        others = sorted(path.name for path in folder.iterdir() if path.name not in known)
    else:
        others = [folder.name] if folder.exists() else []
    if others:
        raise WriteError(
            f"{folder}: holds {others[0]!r}, which is no part of a model; choose a folder of the "
            "model's own"
        )


def read_bundle(folder: Path) -> tuple[ModelContent, dict[str, Tensor]]:
    """Read and check a model folder.

    Parameters
    ----------
    folder
        What :func:`write_bundle` wrote.

    Raises
    ------
    ModelError
        Says what is missing, foreign, changed, or of another schema; then nothing is loaded.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    document = _document(folder)
    body, checksums = document.get("content"), document.get("checksums")
    if not isinstance(checksums, dict):
        raise ModelError(f"{folder}/model.json: has no checksums; it was changed or cut")
    if _sha256(_canonical(body)) != checksums.get("content"):
        raise ModelError(f"{folder}/model.json: does not match its checksum; it was changed or cut")
    weights = _bytes(folder, WEIGHTS)
    if _sha256(weights) != checksums.get(WEIGHTS):
        raise ModelError(f"{folder}/{WEIGHTS}: does not match its checksum; it was changed or cut")
    try:
        return ModelContent.model_validate(body), load(weights)
    except ValidationError as error:
        slips = "; ".join(
            f"{'.'.join(str(part) for part in slip['loc'])}: {slip['msg'].lower()}"
            for slip in error.errors()
        )
        raise ModelError(f"{folder}/model.json: cannot be used: {slips}") from error
    except SafetensorError as error:
        raise ModelError(f"{folder}/{WEIGHTS}: is not a safetensors file ({error})") from error


def _document(folder: Path) -> dict[str, Any]:
    """Read ``model.json`` and check that it is ours and of this schema."""
    try:
        document = json.loads(_bytes(folder, "model.json"))
    except ValueError as error:
        raise ModelError(
            f"{folder}/model.json: is not JSON ({error}); it was cut or changed"
        ) from error
    if not isinstance(document, dict) or document.get("format") != "czsl model":
        raise ModelError(f"{folder}/model.json: is not a model of czsl")
    schema = document.get("schema")
    if not isinstance(schema, int):
        raise ModelError(f"{folder}/model.json: has no schema version; it was changed or cut")
    if schema != SCHEMA:
        age, remedy = (
            ("older", "fit the model again, or install the version of czsl that wrote it")
            if schema < SCHEMA
            else ("newer", "install a newer czsl")
        )
        raise ModelError(
            f"{folder}/model.json: has schema version {schema}, {age} than the {SCHEMA} that this "
            f"version of czsl reads; {remedy}"
        )
    return document


def _bytes(folder: Path, name: str) -> bytes:
    """Read a file of the folder."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: there is no such model folder; 'czsl fit' writes one")
    if not (folder / name).exists() and (folder / "model" / name).exists():
        raise ModelError(f"{folder}: is a run; its model is {folder / 'model'}")
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder}/{name}: cannot be read ({error.strerror}); the model folder is not whole"
        ) from error


def _canonical(body: Any) -> bytes:
    """Write JSON in the one form that checksums are taken of."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    """Give the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
