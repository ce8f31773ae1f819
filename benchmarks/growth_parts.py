"""The parts of the way whose growth is measured: each makes its input, then what is timed."""

# ruff: noqa: D103 (what the short functions do is what PARTS calls them)

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue import (
    Catalogue,
    make_folds,
    read_table,
    scan_catalogue,
    summarise,
    write_table,
)
from czsl.catalogue.duplicates import Seen, duplicates_within
from czsl.catalogue.majority import majority_class
from czsl.config import Config, make_config

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Work = Callable[[], object]

OBJECTS = (1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
FEWER = OBJECTS[:-1]
SIDES = tuple(side**2 for side in (32, 64, 96, 128, 192, 256))
CLASSES = (2, 4, 8, 15, 30)
COLUMNS = (3, 6, 12, 24, 40, 60)

ROWS = 4096
"""Rows of the parts that long tables are written in."""

EXPERTS = 1_000
"""Experts' objects where classes or columns grow."""

ASKED = 6
"""Answers of a question, where columns of votes grow and there are many questions."""

STORED = 20_000
"""Objects where columns or classes grow and every object is looked at."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the way.

    Parameters
    ----------
    name
        What it is called on the page.
    axis
        What grows: ``"objects"``, ``"pixels"``, ``"classes"`` or ``"columns"``.
    sizes
        How large it becomes.
    make
        Makes what is timed, of a size, in an empty folder.
    why
        What makes it grow faster than linearly, where it does.
    """

    name: str
    axis: str
    sizes: tuple[int, ...]
    make: Callable[[int, Path], Work]
    why: str = ""


def ids_of(rows: int) -> list[str]:
    """Give so many ids."""
    return [f"587722952767{row:06d}" for row in range(rows)]


def columns_of(rows: int, votes: int, classes: int) -> dict[str, Any]:
    """Draw the columns of a survey: ids, places, votes, and a class for each tenth object."""
    random = np.random.default_rng(rows)
    truth = random.integers(0, classes, rows)
    shares = np.full((rows, votes), 0.3)
    shares[np.arange(rows), truth % votes] += votes
    experts = np.array([f"c{k}" for k in range(classes)])[truth].astype(object)
    experts[random.random(rows) > 0.1] = None
    return {
        "id": ids_of(rows),
        "ra": random.uniform(0, 360, rows),
        "dec": np.degrees(np.arcsin(random.uniform(-1, 1, rows))),
        **{f"v{k}": random.poisson(shares[:, k] * 20 / (votes + 1)) for k in range(votes)},
        "expert": experts,
    }


def survey(
    folder: Path,
    rows: int,
    *,
    votes: int = 6,
    classes: int = 3,
    asked: int = 100,
    ending: str = "parquet",
) -> Config:
    """Write a survey's table, with questions of so many answers; give its configuration."""
    path = folder / f"survey.{ending}"
    write_table([pa.table(columns_of(rows, votes, classes))], path)
    names = [f"c{k}" for k in range(classes)]
    questions = [
        {
            "question": f"q{start}",
            "answers": {f"a{k}": f"v{k}" for k in range(start, min(start + asked, votes))},
        }
        for start in range(0, votes, asked)
    ]
    return make_config(
        {
            "catalogue": {
                "table": path.name,
                "id": "id",
                "images": "images/{id}.jpg",
                "position": ["ra", "dec"],
            },
            "votes": questions,
            "classes": {
                "column": "expert",
                "values": {name: name for name in names},
                "from_answers": {name: [f"a{k}"] for k, name in enumerate(names) if k < votes},
            },
        },
        folder=folder,
    )


def known(
    rows: int, *, folder: Path, votes: int = 6, classes: int = 3, asked: int = 100
) -> Catalogue:
    """Give a survey's catalogue."""
    return Catalogue.read(survey(folder, rows, votes=votes, classes=classes, asked=asked))


def posteriors(rows: int, classes: int, seed: int = 0) -> tuple[Floats, Labels]:
    """Draw posteriors and classes that follow them."""
    random = np.random.default_rng(seed)
    drawn = random.dirichlet(np.full(classes, 0.3), rows)
    labels = (drawn.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
    return 0.98 * drawn + 0.02 / classes, labels


# Tables.


def reading(ending: str) -> Callable[[int, Path], Work]:
    """Read a table of a format, six columns of votes."""

    def make(rows: int, folder: Path) -> Work:
        config = survey(folder, rows, ending=ending)
        votes = list(config.votes[0].answers.values())
        return lambda: read_table(config.table, columns=["id", *votes], text=["id"], numbers=votes)

    return make


def reading_columns(votes: int, folder: Path) -> Work:
    config = survey(folder, STORED, votes=votes, ending="csv")
    return lambda: Catalogue.read(config)


def reading_classes(classes: int, folder: Path) -> Work:
    config = survey(folder, STORED, classes=classes, ending="parquet")
    return lambda: Catalogue.read(config)


def whole(rows: int, folder: Path) -> Work:
    config = survey(folder, rows, ending="parquet")
    return lambda: Catalogue.read(config)


def in_parts(rows: int, folder: Path) -> Work:
    config = survey(folder, rows, ending="parquet")
    return lambda: sum(len(part) for part in scan_catalogue(config, rows=ROWS))


def writing(ending: str) -> Callable[[int, Path], Work]:
    """Write a catalogue of predictions of a format, in parts."""

    def make(rows: int, folder: Path) -> Work:
        return lambda: write_table(predicted(rows, 3), folder / f"out.{ending}")

    return make


def writing_classes(classes: int, folder: Path) -> Work:
    return lambda: write_table(predicted(STORED, classes), folder / "out.fits")


def predicted(rows: int, classes: int) -> Iterator[pa.Table]:
    """Give predictions in parts, all alike, so that making them takes no time."""
    first, labels = posteriors(min(ROWS, rows), classes)
    table = pa.table(
        {
            "id": ids_of(len(first)),
            "class": [f"c{k}" for k in labels],
            **{f"p_c{k}": first[:, k].astype(np.float32) for k in range(classes)},
            "flags": labels.astype(np.int32),
        }
    )
    for start in range(0, rows, ROWS):
        yield table.slice(0, min(ROWS, rows - start))


# What is told of a catalogue.


def summary(rows: int, folder: Path) -> Work:
    catalogue = known(rows, folder=folder)
    return lambda: summarise(catalogue).as_dict()


def folds(rows: int, folder: Path) -> Work:
    labels = np.random.default_rng(0).integers(0, 3, rows)
    return lambda: make_folds(labels, 5, 0)


def within(rows: int, folder: Path) -> Work:
    places = sky(rows)
    return lambda: duplicates_within(places)


def coming_again(rows: int, folder: Path) -> Work:
    places = sky(rows)
    hashes = np.random.default_rng(1).integers(1, 2**63, rows).astype(np.uint64)

    def work() -> int:
        seen = Seen()
        starts = range(0, rows, ROWS)
        return sum(int(seen.add(hashes[a : a + ROWS], places[a : a + ROWS]).sum()) for a in starts)

    return work


def sky(rows: int) -> Floats:
    """Draw places on the sphere, of which each tenth is another's."""
    random = np.random.default_rng(0)
    places = np.stack(
        [random.uniform(0, 360, rows), np.degrees(np.arcsin(random.uniform(-1, 1, rows)))], axis=1
    )
    again = random.random(rows) < 0.1
    places[again] = places[random.integers(0, rows, int(again.sum()))]
    return places


def report(rows: int, folder: Path) -> Work:
    return told(known(rows, folder=folder))


def report_classes(classes: int, folder: Path) -> Work:
    return told(known(STORED, classes=classes, folder=folder))


def told(catalogue: Catalogue) -> Work:
    """Do what a fit's report does with the catalogue and with experts' posteriors."""
    from czsl.quality import vote_flags
    from czsl.reliability import calibration_error, confusion, reliability
    from czsl.report.galleries import doubted, farthest, least_sure

    number = len(catalogue.classes)
    image, labels = posteriors(len(catalogue), number)
    votes, _ = posteriors(len(catalogue), number, seed=1)

    def work() -> object:
        return (
            summarise(catalogue),
            majority_class(catalogue),
            vote_flags(catalogue, image, votes),
            confusion(image.argmax(axis=1), labels, number),
            calibration_error(reliability(image, labels)),
            [doubted(image, labels, 24), farthest(image, votes, 24), least_sure(image, 24)],
        )

    return work


# Votes and posteriors.


def inputs_of(catalogue: Catalogue) -> Any:
    from czsl.recipes.settings import Transfer
    from czsl.stages.targets import transfer_inputs

    return transfer_inputs(catalogue, Transfer(kind="logistic"))


def features(rows: int, folder: Path) -> Work:
    catalogue = known(rows, folder=folder)
    return lambda: inputs_of(catalogue)


def features_columns(votes: int, folder: Path) -> Work:
    catalogue = known(STORED, votes=votes, folder=folder)
    return lambda: inputs_of(catalogue)


def transfer(rows: int, folder: Path) -> Work:
    return fitting(known(10 * rows, folder=folder), rows)


def transfer_classes(classes: int, folder: Path) -> Work:
    return fitting(known(12 * EXPERTS, votes=12, classes=classes, folder=folder), EXPERTS)


def transfer_columns(votes: int, folder: Path) -> Work:
    return fitting(known(12 * EXPERTS, votes=votes, asked=ASKED, folder=folder), EXPERTS)


def transfer_answers(votes: int, folder: Path) -> Work:
    return fitting(known(12 * EXPERTS, votes=votes, folder=folder), EXPERTS)


def fitting(catalogue: Catalogue, rows: int) -> Work:
    """Fit the transfer to so many experts' objects."""
    from czsl.recipes.settings import Transfer
    from czsl.stages.targets import make_layout
    from czsl.stages.transfer import fit_transfer

    layout = make_layout(catalogue.config.votes, catalogue.config.classes)
    inputs = inputs_of(catalogue)
    chosen = np.flatnonzero(catalogue.is_expert & inputs.usable)[:rows]
    labels = catalogue.experts[chosen]
    settings = Transfer(kind="logistic")
    return lambda: fit_transfer(settings, inputs, chosen, labels, layout, 0)


def applied(rows: int, folder: Path) -> Work:
    return applying(known(rows, folder=folder))


def applied_columns(votes: int, folder: Path) -> Work:
    return applying(known(STORED, votes=votes, asked=ASKED, folder=folder))


def applying(catalogue: Catalogue) -> Work:
    """Judge every object by a transfer, in parts as predictions do."""
    fitted: Any = fitting(catalogue, 300)()
    inputs = inputs_of(catalogue)
    starts = range(0, len(catalogue), ROWS)
    every = [np.arange(a, min(a + ROWS, len(catalogue))) for a in starts]
    return lambda: [fitted.probabilities(inputs.matrix(rows, False)) for rows in every]


def fusion(rows: int, folder: Path) -> Work:
    return fusing(rows, 3)


def fusion_classes(classes: int, folder: Path) -> Work:
    return fusing(STORED, classes)


def fusing(rows: int, classes: int) -> Work:
    """Fit the fusion of image and votes."""
    from czsl.stages.fuse import Sources, fit_fusion

    image, labels = posteriors(rows, classes)
    votes = 0.7 * image + 0.3 * posteriors(rows, classes, seed=1)[0]
    sources = Sources(image=image, votes=votes, weight=np.full(rows, 0.9))
    prior = np.full(classes, 1 / classes)
    return lambda: fit_fusion(sources, labels, prior)


def calibration(rows: int, folder: Path) -> Work:
    return calibrating(rows, 3)


def calibration_classes(classes: int, folder: Path) -> Work:
    return calibrating(STORED, classes)


def calibrating(rows: int, classes: int) -> Work:
    """Fit the temperature and the rate of lapses."""
    from czsl.stages.calibrate import Calibrator

    posterior, labels = posteriors(rows, classes)
    logits, shares = np.log(posterior), np.full(classes, 1 / classes)
    return lambda: Calibrator.fit(logits, labels, shares, "lapse")


def sets(rows: int, folder: Path) -> Work:
    return making_sets(rows, 3)


def sets_classes(classes: int, folder: Path) -> Work:
    return making_sets(STORED, classes)


def making_sets(rows: int, classes: int) -> Work:
    """Make sets, calibrated by a tenth as many experts' objects."""
    from czsl.stages.sets import Calibration, prediction_sets

    posterior, labels = posteriors(rows // 10, classes)
    calibration = Calibration(posterior=posterior, labels=labels, weights=np.ones(len(labels)))
    other, _ = posteriors(rows, classes, seed=1)
    return lambda: prediction_sets(calibration, other, 0.9)


def ranking(rows: int, folder: Path) -> Work:
    from czsl.ranking import rank_class

    posterior, labels = posteriors(rows, 2)
    once = np.ones((1, rows), np.uint8)

    def work() -> object:
        ranked = rank_class(posterior[:, 1], labels == 1)
        return ranked.area(once), ranked.average_precision(once)

    return work


def statistics(rows: int, folder: Path) -> Work:
    return drawing(rows, 3)


def statistics_classes(classes: int, folder: Path) -> Work:
    return drawing(STORED // 4, classes)


def drawing(rows: int, classes: int) -> Work:
    """Measure one arm on 64 draws of the objects."""
    from czsl.compare.measures import prepare
    from czsl.compare.statistics import Draws

    posterior, labels = posteriors(rows, classes)
    prior = np.full(classes, 1 / classes)

    def work() -> object:
        prepared = prepare(posterior, labels, prior)
        return [prepared.measure(one) for one in Draws(1, rows, draws=64).object_weights()]

    return work


# Images.


def jpeg(side: int, seed: int) -> bytes:
    """Draw an image and pack it."""
    from PIL import Image

    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def building(folder: Path, rows: int, *, side: int, size: int) -> Work:
    """Decode so many images of an archive into a new store, in one process."""
    from czsl.images.build import build_store
    from czsl.images.source import open_source
    from czsl.sections import ImagesSettings

    drawn = [jpeg(side, seed) for seed in range(50)]
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for row in range(rows):
            archive.writestr(f"{row}.jpg", drawn[row % 50])
    names = [str(row) for row in range(rows)]
    references = [f"images.zip/{name}.jpg" for name in names]
    made = iter(range(1000))

    def work() -> object:
        return build_store(
            folder / f"store-{next(made)}",
            names,
            references,
            settings=ImagesSettings(size=size),
            source=open_source("images.zip/{id}.jpg", folder=folder),
            processes=1,
        )

    return work


def in_folder(rows: int, folder: Path) -> Work:
    (folder / "images").mkdir()
    for name in ids_of(rows):
        (folder / f"images/{name}.jpg").touch()
    return finding("images", rows, folder)


def in_archive(rows: int, folder: Path) -> Work:
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name in ids_of(rows):
            archive.writestr(f"{name}.jpg", b"")
    return finding("images.zip", rows, folder)


def in_column(rows: int, folder: Path) -> Work:
    names = ids_of(rows)
    table = pa.table({"id": names, "image": pa.array([b""] * rows, pa.binary())})
    write_table([table], folder / "images.parquet")
    return finding("images.parquet/image", rows, folder)


def finding(pattern: str, rows: int, folder: Path) -> Work:
    """Find the images of all objects by their ids, as many at a time as predictions do."""
    from czsl.images.source import open_source
    from czsl.predictor import DECODED

    names = np.random.default_rng(0).permutation(ids_of(rows)).tolist()
    parts = [names[start : start + DECODED] for start in range(0, rows, DECODED)]

    def work() -> object:
        source = open_source(pattern, folder=folder)
        return [all(source.locate(part, [pattern] * len(part))) for part in parts]

    return work


def stored(folder: Path, rows: int, size: int) -> tuple[Path, list[str]]:
    """Write a store of images without decoding."""
    from czsl.images.shards import SHARD_ROWS, Form, Shards
    from czsl.images.worker import Batch
    from czsl.sections import ImagesSettings

    store = folder / "store"
    store.mkdir()
    shards = Shards.found(store)
    settings = ImagesSettings(size=size).model_dump(mode="json", exclude={"view"})
    shards.form = Form(size=size, channels=3, fingerprint="growth", settings=settings)
    names = [str(row) for row in range(rows)]
    for start in range(0, rows, SHARD_ROWS):
        part = names[start : start + SHARD_ROWS]
        starts = range(0, len(part), ROWS)
        batches = (Batch.empty(min(ROWS, len(part) - a), size, 3) for a in starts)
        shards.write(part, part, batches)
    shards.finish()
    return store, names


def opening(rows: int, folder: Path) -> Work:
    from czsl.images.store import ImageStore

    store, names = stored(folder, rows, 8)
    return lambda: ImageStore.open(store, names)


def gathering(rows: int, folder: Path) -> Work:
    return taking(folder, rows, 8, rows)


def gathering_pixels(pixels: int, folder: Path) -> Work:
    return taking(folder, 2 * ROWS, int(pixels**0.5), 2 * ROWS)


def taking(folder: Path, rows: int, size: int, taken: int) -> Work:
    """Take images out of a store at random, some at a time."""
    from czsl.images.store import ImageStore

    store = ImageStore.open(*stored(folder, rows, size))
    order = np.random.default_rng(0).permutation(rows)[:taken]
    return lambda: [len(store.gather(order[a : a + 512])) for a in range(0, taken, 512)]


def network(pixels: int, folder: Path) -> Work:
    """Judge 64 images by the default's network."""
    import torch

    from czsl.nets.residual import ResidualEncoder

    side = int(pixels**0.5)
    net = ResidualEncoder(channels=3, size=side, width=32).eval()
    images = torch.rand(64, 3, side, side)

    def work() -> object:
        with torch.inference_mode():
            return net(images)

    return work


def copying(rows: int, folder: Path) -> Work:
    array = np.zeros((rows, 16))
    order = np.random.default_rng(0).permutation(rows)
    return lambda: array[order]


def sorting(rows: int, folder: Path) -> Work:
    values = np.random.default_rng(0).random(rows)
    return lambda: np.argsort(values, kind="stable")


SORTED = "sorting, n log n, in arrays that outgrow the processor's caches, as in the comparison"
LARGE = (
    "the same work for each object, in arrays that outgrow the processor's caches, as in the "
    "comparison"
)
NAMED = "the same work for each object, in lists of names that outgrow the processor's caches"
PARTS = (
    Part(
        name="for comparison: an array's rows copied at random",
        axis="objects",
        sizes=OBJECTS,
        make=copying,
        why="memory beyond the processor's caches answers later",
    ),
    Part(
        name="for comparison: sorting numbers",
        axis="objects",
        sizes=OBJECTS,
        make=sorting,
        why="n log n, and memory beyond the processor's caches answers later",
    ),
    Part(name="reading CSV", axis="objects", sizes=OBJECTS, make=reading("csv"), why=LARGE),
    Part(name="reading Parquet", axis="objects", sizes=OBJECTS, make=reading("parquet"), why=LARGE),
    Part(name="reading FITS", axis="objects", sizes=OBJECTS, make=reading("fits"), why=LARGE),
    Part(name="catalogue, whole", axis="objects", sizes=OBJECTS, make=whole, why=SORTED),
    Part(name="catalogue, in parts", axis="objects", sizes=OBJECTS, make=in_parts, why=LARGE),
    Part(name="check", axis="objects", sizes=OBJECTS, make=summary, why=LARGE),
    Part(name="folds", axis="objects", sizes=OBJECTS, make=folds, why=SORTED),
    Part(name="duplicates in a table", axis="objects", sizes=OBJECTS, make=within, why=SORTED),
    Part(
        name="duplicates in a long table",
        axis="objects",
        sizes=OBJECTS,
        make=coming_again,
        why="every part is looked up in all that came before, which is kept in sorted runs and "
        "merged ever again: n log² n",
    ),
    Part(name="votes to features", axis="objects", sizes=OBJECTS, make=features, why=LARGE),
    Part(
        name="transfer, fit",
        axis="objects",
        sizes=(100, 300, 1_000, 3_000, 10_000),
        make=transfer,
        why=LARGE,
    ),
    Part(name="transfer, applied", axis="objects", sizes=OBJECTS, make=applied, why=LARGE),
    Part(name="fusion, fit", axis="objects", sizes=OBJECTS, make=fusion, why=LARGE),
    Part(name="calibration, fit", axis="objects", sizes=OBJECTS, make=calibration, why=LARGE),
    Part(name="sets", axis="objects", sizes=OBJECTS, make=sets, why=SORTED),
    Part(name="ranking", axis="objects", sizes=OBJECTS, make=ranking, why=SORTED),
    Part(name="comparison's statistics", axis="objects", sizes=FEWER, make=statistics, why=LARGE),
    Part(name="report's data", axis="objects", sizes=OBJECTS, make=report, why=SORTED),
    Part(
        name="image store, built",
        axis="objects",
        sizes=(300, 1_000, 3_000, 10_000, 30_000),
        make=lambda rows, folder: building(folder, rows, side=16, size=8),
    ),
    Part(name="images found in a folder", axis="objects", sizes=FEWER, make=in_folder, why=NAMED),
    Part(
        name="images found in an archive", axis="objects", sizes=FEWER, make=in_archive, why=NAMED
    ),
    Part(name="images found in Parquet", axis="objects", sizes=OBJECTS, make=in_column, why=NAMED),
    Part(name="image store, opened", axis="objects", sizes=OBJECTS, make=opening, why=SORTED),
    Part(
        name="image store, read at random", axis="objects", sizes=OBJECTS, make=gathering, why=LARGE
    ),
    Part(name="writing CSV", axis="objects", sizes=OBJECTS, make=writing("csv")),
    Part(name="writing Parquet", axis="objects", sizes=OBJECTS, make=writing("parquet")),
    Part(name="writing FITS", axis="objects", sizes=OBJECTS, make=writing("fits")),
    Part(name="writing VOTable", axis="objects", sizes=FEWER, make=writing("vot")),
    Part(
        name="image store, built",
        axis="pixels",
        sizes=SIDES,
        make=lambda pixels, folder: building(folder, 300, side=int(pixels**0.5), size=32),
    ),
    Part(
        name="image store, read at random",
        axis="pixels",
        sizes=SIDES,
        make=gathering_pixels,
        why="bytes beyond the processor's caches, as in the comparison",
    ),
    Part(
        name="the default's network",
        axis="pixels",
        sizes=SIDES,
        make=network,
        why="it has a scale more where images are twice as wide",
    ),
    Part(name="catalogue, whole", axis="classes", sizes=CLASSES, make=reading_classes),
    Part(
        name="transfer, fit",
        axis="classes",
        sizes=CLASSES,
        make=transfer_classes,
        why="Newton's steps need the second derivatives of each pair of classes",
    ),
    Part(name="fusion, fit", axis="classes", sizes=CLASSES, make=fusion_classes),
    Part(name="calibration, fit", axis="classes", sizes=CLASSES, make=calibration_classes),
    Part(name="sets", axis="classes", sizes=CLASSES, make=sets_classes),
    Part(name="comparison's statistics", axis="classes", sizes=CLASSES, make=statistics_classes),
    Part(name="report's data", axis="classes", sizes=CLASSES, make=report_classes),
    Part(name="writing FITS", axis="classes", sizes=CLASSES, make=writing_classes),
    Part(name="catalogue, whole", axis="columns", sizes=COLUMNS, make=reading_columns),
    Part(
        name="votes to features",
        axis="columns",
        sizes=COLUMNS,
        make=features_columns,
        why=LARGE,
    ),
    Part(
        name="transfer, fit, questions of 6 answers",
        axis="columns",
        sizes=COLUMNS,
        make=transfer_columns,
        why="Newton's steps need the second derivatives of each pair of inputs, of which a "
        "question of 6 answers makes 41",
    ),
    Part(
        name="transfer, fit, one question",
        axis="columns",
        sizes=COLUMNS[:4],
        make=transfer_answers,
        why="the map has the products of all pairs of a question's shares, and Newton's steps "
        "need the second derivatives of each pair of those; questions that are asked apart cost "
        "far less than one of as many answers",
    ),
    Part(
        name="transfer, applied, questions of 6 answers",
        axis="columns",
        sizes=COLUMNS,
        make=applied_columns,
        why="matrices that outgrow the processor's caches",
    ),
)
