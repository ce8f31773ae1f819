"""The model: fit, predict, save, load."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
from lightning_fabric import Fabric
from torch import nn

from czsl.catalogue import Catalogue
from czsl.catalogue.duplicates import Seen
from czsl.chain import learn
from czsl.errors import NotFittedError, check_seed
from czsl.fitted import (
    make_judge,
    make_predictor,
    out_of_fold_table,
    predictions_metadata,
    transfer_map,
)
from czsl.imaging import open_images
from czsl.nets.pretrained import open_encoder
from czsl.predictions import predictions_table
from czsl.predictor import Predictor
from czsl.recipes import Recipe, recipe_settings
from czsl.stages.context import Context
from czsl.train.checkpoint import Tensors
from czsl.train.device import make_fabric, open_ranks
from czsl.train.feed import Resident
from czsl.train.progress import Reporter, silent

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Where the work runs.

    Parameters
    ----------
    device
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    threads
        Processor threads of training, and processes that decode; by default all.
    """

    device: str = "auto"
    threads: int | None = None

    def fabric(self, precision: str, *, several: bool = False) -> Fabric:
        """Open the device; of several processes each its own."""
        return make_fabric(self.device, precision=precision, threads=self.threads, several=several)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """What a fit leaves beside the model."""

    history: list[dict[str, Any]]
    autoencoder: Tensors | None
    out_of_fold: pa.Table
    transfer_map: list[dict[str, Any]]


class CzSL:
    """Learns from experts, volunteers and unlabelled images.

    Predictions out of fold, history, map of the votes and autoencoder are what a fit leaves; a
    model that was loaded does not hold them.

    Parameters
    ----------
    recipe
        Name of a recipe that ships, a recipe, or None for the catalogue's own.
    seed
        Seed of everything random.
    encoder
        A torch module that takes images, 0 to 1, and gives features: networks stand on a
        copy of it, with its weights, in place of the recipe's own, and there is no
        autoencoder (:class:`czsl.nets.given.GivenEncoder` says what may come).
    device, threads
        As in :class:`Hardware`.
    report
        Listener of the training's progress.
    decoded
        Listener of the decoding's progress: images done, images to do.

    Raises
    ------
    ArgumentError
        Where the seed is negative.

    Attributes
    ----------
    classes_ : tuple of str
        The classes, in the order of every probability.
    scores_ : dict
        Scores on experts' objects out of fold: from the ``image``, from the ``votes``,
        and the volunteers' ``majority`` on the same objects as the image.
    out_of_fold_ : astropy.table.Table
        Predictions of the experts' objects, each by a network that never saw it.
    out_of_fold_table_ : pyarrow.Table
        The same as an Arrow table.
    history_ : list of dict
        ``stage, fold, epoch, loss, held_out, images_per_second``.
    transfer_map_ : list of dict
        What votes mean to the transfer: ``question, votes, kind, first, second, share,
        p_<class>``, as :func:`czsl.stages.map_table.map_table` says; empty without a map.
    notes_ : tuple of str
        What was left out and why.
    autoencoder_ : dict of Tensor or None
        Weights of the autoencoder; None where the recipe has none.

    Examples
    --------
    >>> CzSL(recipe="czsl2023").predict(None)
    Traceback (most recent call last):
    czsl.errors.NotFittedError: this model is not fitted; call fit(catalogue), or CzSL.load(folder)
    """

    def __init__(
        self,
        recipe: str | Recipe | None = None,
        *,
        seed: int = 0,
        encoder: nn.Module | None = None,
        device: str = "auto",
        threads: int | None = None,
        report: Reporter = silent,
        decoded: Callable[[int, int], None] | None = None,
    ) -> None:
        check_seed(seed)
        self.recipe = recipe_settings({"name": recipe}) if isinstance(recipe, str) else recipe
        self.seed, self.encoder = seed, encoder
        self.hardware = Hardware(device=device, threads=threads)
        self.report, self.decoded = report, decoded
        self._predictor: Predictor | None = None
        self._kept: _Kept | None = None

    def fit(self, catalogue: Catalogue, *, stages: str | Path | None = None) -> Self:
        """Learn from a catalogue.

        Where torchrun or srun started several processes, each calls this, and all of them
        train the same networks on shares of the same batches.

        Parameters
        ----------
        catalogue
            The objects, votes and experts' classes.
        stages
            Folder that keeps the results of the stages: what it holds already is not
            computed again, so that a fit that was stopped goes on. By default a
            temporary one.

        Raises
        ------
        CatalogueError, ImageError, ConfigError
            Where the catalogue or its images cannot be used.
        ProcessLostError
            Where of several processes another has ended.
        """
        recipe = self.recipe or catalogue.config.recipe
        if self.encoder is not None:
            given = {"network": "given", "encoder": None, "reconstruct": None}
            recipe = recipe.model_copy(update=given)
        encoder = open_encoder(recipe.network, recipe.encoder, self.encoder)
        ranks = open_ranks(self.hardware.device)
        with ranks.watched("decoding"):
            threads, decoded = self.hardware.threads, self.decoded
            images = ranks.in_turn(
                lambda: open_images(catalogue, processes=threads, progress=decoded)
            )
        fabric = self.hardware.fabric(recipe.precision, several=True)
        between = ranks.watched("between two stages")
        with tempfile.TemporaryDirectory() as temporary, between:
            context = Context(
                images=images,
                images_fingerprint=images.fingerprint,
                channels=images.channels,
                view=catalogue.config.images.seen,
                folder=Path(temporary if stages is None else stages),
                fabric=fabric,
                seed=self.seed,
                encoder=encoder,
                report=self.report if ranks.leads else silent,
                ranks=ranks,
                resident=Resident.on(images, fabric.device),
            )
            learned = learn(catalogue, recipe, context, images.usable)
        self._predictor = make_predictor(
            catalogue, recipe, images, learned, seed=self.seed, fabric=fabric, encoder=encoder
        )
        self._kept = _Kept(
            history=learned.history,
            autoencoder=learned.autoencoder,
            out_of_fold=out_of_fold_table(self._predictor, catalogue, images),
            transfer_map=transfer_map(self._predictor, catalogue),
        )
        return self

    @property
    def predictor(self) -> Predictor:
        """The fitted model as plain values.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        """
        if self._predictor is None:
            raise NotFittedError(
                "this model is not fitted; call fit(catalogue), or CzSL.load(folder)"
            )
        return self._predictor

    @property
    def classes_(self) -> tuple[str, ...]:
        """The classes, in the order of every probability."""
        return self.predictor.content.classes.names

    @property
    def scores_(self) -> dict[str, Any]:
        """Scores on experts' objects that the networks were not trained on."""
        return self.predictor.content.scores

    @property
    def out_of_fold_(self) -> Table:
        """Predictions of the experts' objects, each by a network that never saw it."""
        return to_astropy(self.out_of_fold_table_)

    @property
    def out_of_fold_table_(self) -> pa.Table:
        """The same as an Arrow table."""
        return self._of_fit().out_of_fold

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Epochs of every stage."""
        return self._of_fit().history

    @property
    def transfer_map_(self) -> list[dict[str, Any]]:
        """What votes mean to the transfer."""
        return self._of_fit().transfer_map

    @property
    def autoencoder_(self) -> Tensors | None:
        """Weights of the autoencoder."""
        return self._of_fit().autoencoder

    def _of_fit(self) -> _Kept:
        """Give what a fit leaves and a model's folder does not hold.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`, or where the model was loaded.
        """
        self.predictor  # noqa: B018  # says where there is no model at all
        if self._kept is None:
            raise NotFittedError(
                "a model that was loaded does not hold this; it stands in the files of its run: "
                "predictions.parquet, history.csv, transfer.csv, autoencoder.safetensors"
            )
        return self._kept

    @property
    def notes_(self) -> tuple[str, ...]:
        """What was left out and why."""
        return self.predictor.content.notes

    def predict(
        self,
        catalogue: Catalogue,
        *,
        decide: str | Path = "accuracy",
        coverage: float | None = None,
    ) -> Table:
        """Predict the classes of every object of a catalogue.

        Parameters
        ----------
        catalogue
            The objects. Those that the model was trained on get what the networks say
            after they have seen them: for honest scores take ``out_of_fold_``.
        decide
            How the class follows from the posterior, which stays as it is: ``"accuracy"``,
            ``"gmean"``, ``"f1"``, or a file of costs.
        coverage
            Coverage of the sets; by default that of the recipe.

        Returns
        -------
        astropy.table.Table
            Columns as in :func:`czsl.predictions.predictions_table`. Its ``meta`` says what
            ``czsl predict`` writes into a file: ``model``, ``fingerprint``, ``czsl``,
            ``decide``, ``coverage``, and ``in every set``, the classes that have too few
            experts' objects for it.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ModelError
            Where a cutout's size or bands are not those of the training, or the experts'
            objects cannot keep the coverage that is asked for.
        """
        predictor = self.predictor
        judge = make_judge(predictor, decide, coverage)
        with predictor.decoder(catalogue.config, self.hardware.threads) as decoder:
            posteriors = predictor.posteriors(catalogue, decoder)
        posteriors = posteriors.marked(Seen().add(posteriors.hashes, catalogue.positions))
        verdicts = judge.judge(posteriors.best, posteriors.source, catalogue.weights, catalogue.ids)
        table = to_astropy(predictions_table(catalogue, posteriors, verdicts))
        table.meta.update(predictions_metadata(predictor, judge, decide))
        return table

    def save(self, folder: str | Path) -> None:
        """Write the model folder: JSON, safetensors and a card to read; no pickle.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        WriteError
            Where it cannot be written; an older model there is intact.
        """
        self.predictor.save(Path(folder))

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        encoder: nn.Module | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> CzSL:
        """Load a model folder; runs no code of it.

        Parameters
        ----------
        folder
            What :meth:`save` wrote.
        encoder
            Where the model was fitted on a module: that module, or one of the same shape,
            whose weights do not matter.
        device, threads
            As in :class:`Hardware`.

        Raises
        ------
        ModelError
            Where the folder is truncated, changed, foreign or of another schema, or the encoder
            is missing or of another shape.
        """
        model = cls(encoder=encoder, device=device, threads=threads)
        model._predictor = Predictor.load(Path(folder), model.hardware.fabric("32"), encoder)
        model.recipe = model._predictor.content.recipe
        return model


def to_astropy(table: Any) -> Table:
    """Turn an Arrow table into one of astropy; nulls are masked."""
    from astropy.table import MaskedColumn, Table

    columns = {}
    for name in table.column_names:
        column = table[name]
        missing = column.is_null().to_numpy()
        filled = column.fill_null("" if str(column.type) == "string" else 0).to_pylist()
        columns[name] = MaskedColumn(filled, mask=missing) if missing.any() else filled
    return Table(columns)
