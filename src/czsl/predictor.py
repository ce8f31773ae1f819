"""A fitted model as plain values: what a model folder holds, and how it is applied."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from czsl.bundle import ModelContent, read_bundle, write_bundle
from czsl.card import describe_size, model_card
from czsl.catalogue import Catalogue
from czsl.catalogue.duplicates import pixel_hashes
from czsl.config import Config
from czsl.errors import ArgumentError, ModelError
from czsl.files import fingerprint
from czsl.flags import UNUSABLE_IMAGE, Flag
from czsl.images.decoder import Decoder
from czsl.images.source import open_source
from czsl.images.worker import Batch
from czsl.nets.pretrained import encoder_from_json
from czsl.predictions import Posteriors
from czsl.quality import vote_flags
from czsl.record import Record
from czsl.stages.context import tensor_digest
from czsl.stages.fuse import FittedFusion, Sources
from czsl.stages.infer import ClassReader, open_reader
from czsl.stages.novelty import FittedNovelty
from czsl.stages.targets import Layout, make_layout, transfer_inputs, weights_of_votes
from czsl.stages.transfer import FittedTransfer
from czsl.train.checkpoint import Tensors, prefixed, without_prefix

Floats = NDArray[np.float64]

DECODED = 1024
"""Objects whose images are decoded together."""

AHEAD = 2
"""So many such batches may wait for the networks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """Applies a fitted model.

    Parameters
    ----------
    content
        Everything but the weights.
    networks
        Weights of each network.
    transfer
        The fitted transfer, or None.
    fusion
        Joins the posteriors from image and votes, or None.
    record
        What was said out of fold of the experts' objects; None in models without.
    novelty
        Tells images unlike those of the training, or None.
    trained
        Hashes of the ids of objects that taught the networks, ascending, shape (object,).
    fabric
        Device and precision.
    encoder
        The module that the networks stand on; None for networks of our own.
    """

    content: ModelContent
    networks: tuple[Tensors, ...]
    transfer: FittedTransfer | None
    fusion: FittedFusion | None
    record: Record
    novelty: FittedNovelty | None
    trained: NDArray[np.int64]
    fabric: Fabric
    encoder: nn.Module | None = None

    @classmethod
    def load(cls, folder: Path, fabric: Fabric, encoder: nn.Module | None = None) -> Predictor:
        """Load a model folder.

        Parameters
        ----------
        folder
            What :meth:`save` wrote.
        fabric
            Device and precision.
        encoder
            The module that was given to the fit, or one of the same shape.

        Raises
        ------
        ModelError
            Where the folder is not a whole model of ours, or the encoder is missing or of
            another shape.
        MissingExtraError
            Where the model stands on an encoder of transformers, which is not installed.
        """
        content, tensors = read_bundle(folder)

        def arrays(name: str) -> dict[str, NDArray[Any]]:
            return {n: t.numpy() for n, t in without_prefix(name, tensors).items()}

        transfer, fusion, novelty = arrays("transfer"), arrays("fusion"), arrays("novelty")
        collapsed = content.transfer == "collapsed"
        predictor = cls(
            content=content,
            networks=tuple(without_prefix(f"network{i}", tensors) for i in range(content.networks)),
            transfer=FittedTransfer.from_arrays(transfer, collapsed=collapsed)
            if transfer
            else None,
            fusion=FittedFusion.from_arrays(fusion) if fusion else None,
            record=Record.from_arrays(arrays("record")),
            novelty=FittedNovelty.from_arrays(novelty) if novelty else None,
            trained=tensors["trained"].numpy(),
            fabric=fabric,
            encoder=_encoder(folder, content, encoder),
        )
        try:
            _ = predictor.reader
        except ArgumentError as error:
            raise ModelError(f"{folder}: {error}") from error
        except RuntimeError as error:  # torch's word for weights that do not fit
            raise ModelError(f"{folder}: the weights do not fit the settings ({error})") from error
        return predictor

    def save(self, folder: Path) -> None:
        """Write the model folder.

        Raises
        ------
        WriteError
            Where it cannot be written; an older model there is intact.
        """
        write_bundle(folder, self.content, self.tensors(), model_card(self.content))

    def tensors(self) -> Tensors:
        """Name every number of the model besides its content, to keep them."""
        tensors: Tensors = {}
        for index, weights in enumerate(self.networks):
            tensors |= prefixed(f"network{index}", weights)
        parts: dict[str, Any] = {
            "transfer": self.transfer,
            "fusion": self.fusion,
            "record": self.record,
            "novelty": self.novelty,
        }
        for name, part in parts.items():
            arrays = {} if part is None else part.arrays()
            tensors |= prefixed(name, {n: torch.from_numpy(a) for n, a in arrays.items()})
        tensors["trained"] = torch.from_numpy(self.trained)
        return tensors

    def with_fingerprint(self) -> Predictor:
        """Give the same model, known by a hash of all that its folder holds."""
        content = self.content.model_dump(mode="json", exclude={"fingerprint"})
        known = fingerprint(tensor_digest(self.tensors()), content)
        return replace(self, content=self.content.model_copy(update={"fingerprint": known}))

    @property
    def layout(self) -> Layout:
        """The answers and the classes."""
        return make_layout(self.content.votes, self.content.classes)

    @cached_property
    def reader(self) -> ClassReader:
        """What reads class logits off the networks."""
        content = self.content
        return open_reader(
            self.networks,
            content.recipe,
            self.layout,
            channels=content.channels,
            view=content.images.seen,
            from_answers=content.from_answers,
            device=self.fabric.device,
            encoder=self.encoder,
        )

    def config(self, folder: Path, table: str, images: str | None) -> Config:
        """Give the configuration that reads another table as this model was trained.

        Parameters
        ----------
        folder
            The folder that relative paths start from.
        table
            The table, relative to it.
        images
            The image pattern; by default the one of the training. Where it begins with a
            folder's full path, images may lie there.
        """
        pattern, roots = images or self.content.catalogue.images, self.content.catalogue.roots
        if images is not None and Path(images).is_absolute():
            roots = (*roots, images.partition("{")[0].rpartition("/")[0] or "/")
        changes = {"table": table, "images": pattern, "roots": roots, "fold": None}
        return Config(
            catalogue=self.content.catalogue.model_copy(update=changes),
            votes=self.content.votes,
            classes=self.content.classes,
            images=self.content.images,
            recipe=self.content.recipe,
            folder=folder,
        )

    def decoder(self, config: Config, processes: int | None = None) -> Decoder:
        """Open the images of a configuration, to be prepared as in training."""
        source = open_source(
            config.catalogue.images or "",
            folder=config.folder,
            roots=config.catalogue.roots,
            table=config.table,
            id_column=config.catalogue.id,
        )
        return Decoder(
            source,
            settings=self.content.images,
            channels=self.content.channels,
            processes=processes,
        )

    def posteriors(self, catalogue: Catalogue, decoder: Decoder) -> Posteriors:
        """Give the posteriors of objects from their images and their votes.

        Parameters
        ----------
        catalogue
            The objects.
        decoder
            Open decoder of their images.

        Raises
        ------
        ModelError
            Where a cutout's size or bands are not those of the training, or the
            catalogue's classes or answers are not the model's.
        ImageError
            Where a path leads out of the folder.
        """
        return next(self.stream([catalogue], decoder))[1]

    def stream(
        self, catalogues: Iterable[Catalogue], decoder: Decoder
    ) -> Iterator[tuple[Catalogue, Posteriors]]:
        """Give the posteriors of one catalogue after another, decoding ahead of the networks.

        Parameters
        ----------
        catalogues
            The objects, of which a few at a time are in memory.
        decoder
            Open decoder of their images.

        Yields
        ------
        Catalogue, Posteriors
            A catalogue, and what is said of its objects.

        Raises
        ------
        ModelError, ImageError
            As :meth:`posteriors`.
        """
        for part, pixels in _ahead(self._parts(catalogues), decoder):
            if part.start == 0:
                found = _Found.nothing(len(part.catalogue), self.layout.classes)
            self._look(found, part, pixels)
            if part.stop == len(part.catalogue):
                yield part.catalogue, self._posteriors(part.catalogue, found)

    def _parts(self, catalogues: Iterable[Catalogue]) -> Iterator[_Part]:
        """Cut catalogues into what is decoded together."""
        for catalogue in catalogues:
            self._check_words(catalogue)
            for start in range(0, max(1, len(catalogue)), DECODED):
                stop = min(start + DECODED, len(catalogue))
                yield _Part(catalogue=catalogue, start=start, stop=stop)

    def _look(self, found: _Found, part: _Part, batch: Batch) -> None:
        """Let the networks look at the images of a part."""
        usable = np.flatnonzero((batch.flags & int(UNUSABLE_IMAGE)) == 0)
        rows = part.start + usable
        self._check_sizes(batch.sizes[usable], part.catalogue.ids[rows])
        found.flags[part.start : part.stop] = batch.flags
        # Where all are usable, as most are, nothing is copied.
        pixels = batch.pixels if len(usable) == len(batch.pixels) else batch.pixels[usable]
        read = self.reader.read(pixels)
        found.image[rows] = self.content.calibrator.probabilities(read.logits)
        found.hashes[rows] = pixel_hashes(pixels)
        if self.novelty is not None and len(usable):
            found.flags[rows[self.novelty.unlike(read.features)]] |= np.uint32(Flag.UNLIKE_TRAINING)

    def _posteriors(self, catalogue: Catalogue, found: _Found) -> Posteriors:
        """Add what the votes say."""
        image, votes = found.image, self.votes_posterior(catalogue)
        flags = found.flags | vote_flags(catalogue, image, votes)
        flags[np.isin(id_hashes(catalogue.ids), self.trained)] |= np.uint32(Flag.TRAINED_ON)
        fused = np.full_like(image, np.nan)
        if self.fusion is not None:
            weight = weights_of_votes(catalogue)
            fused = self.fusion.fuse(Sources(image=image, votes=votes, weight=weight))
        return Posteriors(image=image, votes=votes, fused=fused, flags=flags, hashes=found.hashes)

    def votes_posterior(self, catalogue: Catalogue) -> Floats:
        """Give the posterior from the votes, shape (object, class); NaN where there are none."""
        posterior = np.full((len(catalogue), self.layout.classes), np.nan)
        settings = self.content.recipe.transfer
        if self.transfer is None or settings is None or not catalogue.questions:
            return posterior
        inputs = transfer_inputs(catalogue, settings)
        posterior[inputs.usable] = self.transfer.probabilities(inputs.features[inputs.usable])
        return posterior

    def _check_words(self, catalogue: Catalogue) -> None:
        """Refuse a catalogue whose classes or answers are others than the model's."""
        mine, given = self.content, catalogue.config
        answers = [[name for votes in c.votes for name in votes.names] for c in (mine, given)]
        extra = [[name for votes in c.votes for name in votes.extra] for c in (mine, given)]
        for words, known, found in (
            ("classes", list(mine.classes.names), list(given.classes.names)),
            ("answers", answers[0], answers[1] or answers[0]),
            ("extra columns", extra[0], extra[1] if answers[1] else extra[0]),
        ):
            if known != found:
                raise ModelError(
                    f"the model knows the {words} {', '.join(known) or 'none'}, the catalogue has "
                    f"{', '.join(found) or 'none'}; name the same in the same order"
                )

    def _check_sizes(self, sizes: NDArray[np.int32], ids: NDArray[np.str_]) -> None:
        """Refuse cutouts that are not like those of the training."""
        native = np.array(self.content.native)  # 0 where the training had several
        other = np.flatnonzero(np.any((sizes != native) & (native > 0), axis=1))
        if len(other):
            found = sizes[other[0]].tolist()
            raise ModelError(
                f"object {str(ids[other[0]])!r}: its cutout has {describe_size(found)}; the model "
                f"was trained on cutouts of {describe_size(self.content.native)}, and another "
                "size shows another part of the sky; make cutouts as those of the training"
            )


def _encoder(folder: Path, content: ModelContent, given: nn.Module | None) -> nn.Module | None:
    """Give the module that a model's networks stand on, which its folder does not hold."""
    if content.recipe.network == "given" and given is None:
        raise ModelError(
            f"{folder}: its networks stand on a torch module that was given from Python; give it "
            "again, trained or not: CzSL.load(folder, encoder=module)"
        )
    if content.recipe.network == "pretrained":
        return encoder_from_json(content.encoder or "")
    return given if content.recipe.network == "given" else None


def id_hashes(ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Hash ids to whole numbers, shape (object,).

    Examples
    --------
    >>> len(set(id_hashes(np.array(["587", "588", "587"])).tolist()))
    2
    """
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids.tolist()]
    return np.frombuffer(b"".join(digests), np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """Objects of a catalogue that are decoded together."""

    catalogue: Catalogue
    start: int
    stop: int

    def decoded(self, decoder: Decoder) -> Batch:
        """Decode their images."""
        of, rows = self.catalogue, slice(self.start, self.stop)
        return decoder.decode(of.ids[rows].tolist(), of.images[rows].tolist(), of.rows[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """What images say of the objects of a catalogue, filled part by part."""

    image: Floats
    flags: NDArray[np.uint32]
    hashes: NDArray[np.uint64]

    @classmethod
    def nothing(cls, objects: int, classes: int) -> _Found:
        """Start with nothing known."""
        return cls(
            image=np.full((objects, classes), np.nan),
            flags=np.zeros(objects, np.uint32),
            hashes=np.zeros(objects, np.uint64),
        )


def _ahead(parts: Iterable[_Part], decoder: Decoder) -> Iterator[tuple[_Part, Batch]]:
    """Decode each part while the one before is looked at."""
    if decoder.processes == 1:
        for part in parts:
            yield part, part.decoded(decoder)
        return
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[tuple[_Part, Future[Batch]]] = deque()
        for part in parts:
            waiting.append((part, thread.submit(part.decoded, decoder)))
            if len(waiting) > AHEAD:
                first, batch = waiting.popleft()
                yield first, batch.result()
        for first, batch in waiting:
            yield first, batch.result()
