"""The model: fit, predict, save, load."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from lightning_fabric import Fabric
from numpy.typing import NDArray

from czsl import __version__
from czsl.bundle import ModelContent
from czsl.catalogue import Catalogue, majority_class
from czsl.chain import learn
from czsl.errors import NotFittedError
from czsl.files import fingerprint
from czsl.images.store import ImageStore
from czsl.imaging import open_images
from czsl.learned import Learned
from czsl.predictions import Posteriors, predictions_table
from czsl.predictor import Predictor
from czsl.recipes import Recipe, recipe_settings
from czsl.scores import accuracy, scores
from czsl.stages.context import Context, tensor_digest
from czsl.train.device import make_fabric
from czsl.train.progress import Reporter, silent

if TYPE_CHECKING:
    from astropy.table import Table

Floats = NDArray[np.float64]


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

    def fabric(self, precision: str) -> Fabric:
        """Open the device."""
        return make_fabric(self.device, precision=precision, threads=self.threads)


class CzSL:
    """Learns from experts, volunteers and unlabelled images.

    Parameters
    ----------
    recipe
        Name of a recipe that ships, a recipe, or None for the catalogue's own.
    seed
        Seed of everything random.
    device, threads
        As in :class:`Hardware`.
    report
        Listener of the training's progress.
    decoded
        Listener of the decoding's progress: images done, images to do.

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
        device: str = "auto",
        threads: int | None = None,
        report: Reporter = silent,
        decoded: Callable[[int, int], None] | None = None,
    ) -> None:
        self.recipe = recipe_settings({"name": recipe}) if isinstance(recipe, str) else recipe
        self.seed = seed
        self.hardware = Hardware(device=device, threads=threads)
        self.report, self.decoded = report, decoded
        self._predictor: Predictor | None = None

    def fit(self, catalogue: Catalogue, *, stages: Path | None = None) -> Self:
        """Learn from a catalogue.

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
        """
        recipe = self.recipe or catalogue.config.recipe
        images = open_images(catalogue, processes=self.hardware.threads, progress=self.decoded)
        fabric = self.hardware.fabric(recipe.precision)
        with tempfile.TemporaryDirectory() as temporary:
            context = Context(
                images=images,
                images_fingerprint=images.fingerprint,
                channels=images.channels,
                view=catalogue.config.images.seen,
                folder=stages or Path(temporary),
                fabric=fabric,
                seed=self.seed,
                report=self.report,
            )
            learned = learn(catalogue, recipe, context, images.usable)
        self._predictor = Predictor(
            content=_content(catalogue, recipe, images, learned, self.seed),
            networks=learned.networks,
            transfer=learned.transfer,
            fabric=fabric,
        )
        self.history_, self.autoencoder_ = learned.history, learned.autoencoder
        self.out_of_fold_table_ = _out_of_fold(catalogue, images, learned)
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
    def notes_(self) -> tuple[str, ...]:
        """What was left out and why."""
        return self.predictor.content.notes

    def predict(self, catalogue: Catalogue) -> Table:
        """Predict the classes of every object of a catalogue.

        Parameters
        ----------
        catalogue
            The objects. Those that the model was trained on get what the networks say
            after they have seen them: for honest scores take ``out_of_fold_``.

        Returns
        -------
        astropy.table.Table
            Columns as in :func:`czsl.predictions.predictions_table`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ModelError
            Where a cutout's size or bands are not those of the training.
        """
        predictor = self.predictor
        with predictor.decoder(catalogue.config, self.hardware.threads) as decoder:
            posteriors = predictor.posteriors(catalogue, decoder)
        return to_astropy(predictions_table(catalogue, posteriors))

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
    def load(cls, folder: str | Path, *, device: str = "auto", threads: int | None = None) -> CzSL:
        """Load a model folder; runs no code of it.

        Raises
        ------
        ModelError
            Where the folder is truncated, changed, foreign or too new.
        """
        model = cls(device=device, threads=threads)
        model._predictor = Predictor.load(Path(folder), model.hardware.fabric("32"))
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


def _out_of_fold(catalogue: Catalogue, images: ImageStore, learned: Learned) -> pa.Table:
    """Make the predictions of the experts' objects, with the experts' class and the fold."""
    experts = catalogue.select(learned.experts)
    posteriors = Posteriors(
        image=learned.image_posterior,
        votes=learned.votes_posterior,
        flags=images.flags[learned.experts],
    )
    table = predictions_table(experts, posteriors)
    said = pa.array([catalogue.classes[place] for place in experts.experts], pa.string())
    folds = pa.array(learned.folds + 1, pa.int32(), mask=learned.folds < 0)
    return table.append_column("expert", said).append_column("fold", folds)


def _scores(catalogue: Catalogue, learned: Learned) -> dict[str, Any]:
    """Score the experts' objects out of fold, beside the volunteers' majority."""
    labels = catalogue.experts[learned.experts]
    known = ~np.any(np.isnan(learned.image_posterior), axis=1)
    majority = majority_class(catalogue)[learned.experts]
    return {
        "image": scores(learned.image_posterior, labels),
        "votes": scores(learned.votes_posterior, labels),
        "majority": accuracy(majority[known], labels[known]),
    }


def _content(
    catalogue: Catalogue, recipe: Recipe, images: ImageStore, learned: Learned, seed: int
) -> ModelContent:
    """Put together what a model folder holds besides the weights."""
    config = catalogue.config
    sizes = images.sizes[images.usable]  # (object, 3): height, width, bands
    tiers = {
        name: int(np.sum(catalogue.tier == name)) for name in ("expert", "volunteer", "unlabelled")
    }
    collapsed = learned.transfer is not None and learned.transfer.collapsed
    weights = [tensor_digest(network) for network in learned.networks]
    transfer = "collapsed" if collapsed else "fitted" if learned.transfer else "none"
    return ModelContent(
        version=__version__,
        name=f"{recipe.name} model of {Path(config.catalogue.table).stem}",
        fingerprint=fingerprint(weights, config.model_dump(mode="json"), learned.temperature),
        catalogue=config.catalogue,
        votes=config.votes,
        classes=config.classes,
        images=config.images,
        channels=images.channels,
        native=_native(sizes),
        recipe=recipe,
        networks=len(learned.networks),
        from_answers=learned.from_answers,
        temperature=learned.temperature,
        transfer=transfer,
        scores=_scores(catalogue, learned),
        notes=learned.notes,
        data={"tiers": tiers, "seed": seed, "images": images.fingerprint},
    )


def _native(sizes: NDArray[np.int32]) -> tuple[int, int, int]:
    """Give the size and the bands that all cutouts share; 0 where they differ."""
    alike = np.all(sizes == sizes[:1], axis=0)
    square = bool(alike[0] and alike[1])
    height, width, bands = sizes[0].tolist()
    return (height if square else 0, width if square else 0, bands if alike[2] else 0)
