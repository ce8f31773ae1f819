"""On a GPU: training, prediction from stored images, and whole fits; shares of its matrix rate.

``--device cpu --quick`` runs the same code without a GPU, to see that it runs: its numbers
are printed and written nowhere.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ensemble import EnsembleReader, EnsembleStep
from harness import Figure, alternate, compare, finish, options

from czsl.catalogue import Catalogue
from czsl.model import CzSL
from czsl.nets.losses import cross_entropy
from czsl.nets.network import Network, make_network
from czsl.recipes import Augment, Recipe, Training, recipe_settings
from czsl.run import sample
from czsl.simulate import simulate_survey
from czsl.stages.infer import ClassReader, open_reader
from czsl.stages.targets import Layout
from czsl.train.device import make_fabric
from czsl.train.feed import Resident
from czsl.train.loop import train
from czsl.train.progress import silent
from czsl.train.samples import Samples

ROOT = Path(__file__).resolve().parent.parent
SIDE, CLASSES = 64, 3
FIT_SECONDS, PREDICT_RATE = 60.0, 300_000.0
NETWORKS = {"published CNN": "published", "residual network": "residual"}
RECIPES = {"published CNN": "czsl2023", "residual network": "default"}
PRECISIONS = {
    "float32": ("32", "highest"),
    "TF32": ("32", "high"),
    "bfloat16": ("bf16", "high"),
}
LAYOUT = Layout(
    questions=(4,),
    answer_mirror=np.arange(4),
    class_mirror=np.arange(CLASSES),
    class_answers=np.eye(4, CLASSES),
)


class Stored:
    """Random images in a file that is mapped into memory, as the store's are."""

    def __init__(self, path: Path, count: int) -> None:
        shape = (count, SIDE, SIDE, 3)
        self.pixels = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        random = np.random.default_rng(0)
        for start in range(0, count, 4096):
            part = self.pixels[start : start + 4096]
            part[:] = random.integers(0, 256, part.shape, dtype=np.uint8)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Give images, shape (row, side, side, channel)."""
        return self.pixels[rows]


def main() -> None:
    """Measure what a GPU does."""
    parser = options("What a GPU does.", repeats=3)
    parser.add_argument("--device", default="cuda", help="cuda; cpu to see that it runs")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/gz1")
    asked = parser.parse_args()
    if asked.device != "cpu" and not torch.cuda.is_available():
        print("no GPU is here: nothing was measured; --device cpu --quick shows that it runs")
        return
    device = make_fabric(asked.device).device
    limits = {name: matrix_rate(device, name, quick=asked.quick) for name in PRECISIONS}
    figures: list[Figure] = []
    more: dict[str, Any] = {"matrix rate, operations a second": limits}
    more["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        count = 16 if asked.quick else 60_000
        images = Stored(Path(folder) / "images.npy", count)
        figures += training(images, count, asked, limits, device, Path(folder), more)
        figures += training_together(asked, device)
        figures += predicting(images, count, asked, limits, device, more)
        figures += fits(asked, Path(folder))
    if device.type == "cpu":
        for figure in figures:
            print(f"{figure.what}: {figure.ratio:.3g} of {figure.peer}; {dict(figure.rates)}")
        print("no GPU was used: these numbers say that the program runs, and nothing else")
        return
    finish("gpu", figures, out=asked.out, more=more)


@contextmanager
def products(precision: str) -> Iterator[str]:
    """Take products as a name of ``PRECISIONS`` says; give what ``make_fabric`` is told."""
    told, matmul = PRECISIONS[precision]
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.set_float32_matmul_precision(matmul)
    try:
        yield told
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def waited(work: Callable[[], Any], device: torch.device) -> float:
    """Give the seconds that work takes until the device has ended it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def matrix_rate(device: torch.device, precision: str, *, quick: bool) -> float:
    """Give the rate of a large matrix product on random numbers, operations a second."""
    side, kind = 256 if quick else 8192, torch.float32
    if precision == "bfloat16":
        kind = torch.bfloat16
    with products(precision):
        one = torch.randn(side, side, device=device).to(kind)
        return 2 * side**3 / min(waited(lambda: one @ one, device) for _ in range(8))


def network_of(kind: str, seed: int = 0) -> Network:
    """Make a network as the recipes have it."""
    return make_network(
        kind, channels=3, size=SIDE, width=16, questions=[4], classes=CLASSES, seed=seed
    )


def operations(kind: str) -> int:
    """Count the operations of one image's way through a network."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network_of(kind).eval()(torch.zeros(1, 3, SIDE, SIDE))
    return int(counter.get_total_flops())


def training(
    images: Stored,
    count: int,
    asked: Any,
    limits: dict[str, float],
    device: torch.device,
    folder: Path,
    more: dict[str, Any],
) -> list[Figure]:
    """Measure the training loop with augmentation, images held on the device."""
    figures = []
    samples = Samples(
        images=images,
        view=SIDE,
        rows=np.arange(count),
        targets={"classes": torch.eye(CLASSES)[torch.arange(count) % CLASSES]},
    )
    resident = Resident(images, device, budget=count * SIDE * SIDE * 3)
    batch = 16 if asked.quick else 1024

    def loss(network: Any, shown: torch.Tensor, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        weight = torch.ones(targets["classes"].shape[0], device=shown.device)
        return cross_entropy(network(shown).classes, targets["classes"], weight)

    def rate_of(kind: str, precision: str, augmented: bool) -> float:
        settings = Training(
            epochs=1 if asked.quick else 4,
            batch=batch,
            optimiser="adamw",
            rate=1e-3,
            augment=Augment() if augmented else None,
        )
        checkpoint = folder / f"{time.perf_counter_ns()}.safetensors"
        with products(precision) as told:
            fabric = make_fabric(asked.device, precision=told)
            if precision == "float32":
                torch.set_float32_matmul_precision("highest")  # make_fabric asks for TF32
            _, epochs = train(
                network_of(kind), loss, samples, samples.take(np.zeros(0, np.int64)), settings,
                seed=0, fabric=fabric, stage="speed", checkpoint=checkpoint, report=silent,
                resident=resident,
            )  # fmt: skip
        return float(epochs[-1]["images_per_second"] or 0.0)

    for name, kind in NETWORKS.items():
        work = 3 * operations(kind)  # backwards is twice as much as forwards
        sides = {
            f"{precision}{', augmented' if augmented else ''}": (precision, augmented)
            for precision in PRECISIONS
            for augmented in (False, True)
        }
        rates = alternate(
            {
                side: lambda kind=kind, way=way: rate_of(kind, *way)  # type: ignore[misc]
                for side, way in sides.items()
            },
            repeats=1 if asked.quick else asked.repeats,
            warm_up=0 if asked.quick else 1,
        )
        for side, (precision, _) in sides.items():
            what = f"training, {name}, {side}, batch {batch}, images a second"
            figures.append(share_of_limit(what, rates[side], work, limits[precision]))
    more["operations of an image, forwards"] = {n: operations(k) for n, k in NETWORKS.items()}
    return figures


def training_together(asked: Any, device: torch.device) -> list[Figure]:
    """Measure bare steps of five residual networks: one by one, compiled, and stacked.

    The networks are those that cross-fitting trains; the images are on the device.
    """
    number, batch, steps = (2, 4, 1) if asked.quick else (5, 32, 200)
    shown = torch.rand(number, batch, 3, SIDE, SIDE, device=device)
    classes = torch.randint(CLASSES, (number, batch), device=device)

    def loss(outputs: Any, told: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs.classes, told)

    def networks() -> list[Network]:
        return [network_of("residual", seed).to(device).train() for seed in range(number)]

    def descent(weights: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(weights, lr=1e-3, fused=True)

    def one_by_one(compiled: bool) -> Callable[[], None]:
        made = networks()
        optimisers = [descent(network.parameters()) for network in made]
        called = [torch.compile(one, mode="reduce-overhead") if compiled else one for one in made]

        def step() -> None:
            for place in range(number):
                optimisers[place].zero_grad()
                loss(called[place](shown[place]), classes[place]).backward()  # type: ignore[no-untyped-call]
                optimisers[place].step()

        return step

    stacked = EnsembleStep(networks(), loss, descent)
    sides = {"one by one": one_by_one(False), "stacked": lambda: stacked(shown, classes)}
    if device.type == "cuda":  # its graphs replay a step without the processor's part in it
        sides["one by one, compiled to graphs"] = one_by_one(True)

    def rate_of(step: Callable[[], Any]) -> float:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            seconds = waited(lambda: [step() for _ in range(steps)], device)
        return number * batch * steps / seconds

    rates = alternate(
        {name: lambda step=step: rate_of(step) for name, step in sides.items()},  # type: ignore[misc]
        repeats=1 if asked.quick else asked.repeats,
        warm_up=0 if asked.quick else 1,
    )
    what = f"training {number} residual networks, batch {batch}, bare steps"
    return [
        compare(rates, name, "one by one", what=f"{what}: {name}")
        for name in rates
        if name != "one by one"
    ]


def share_of_limit(what: str, rates: list[float], work: float, limit: float) -> Figure:
    """Put rates as shares of the matrix rate."""
    shares = [one * work / limit for one in rates]
    return Figure(
        what=what,
        peer="matrix rate",
        ratio=median(shares),
        low=min(shares),
        high=max(shares),
        rates={"images/s": median(rates)},
    )


def reader_of(recipe: Recipe, number: int, device: torch.device) -> ClassReader:
    """Open networks as a prediction does: folded, in the precision of their recipe."""
    return open_reader(
        [dict(network_of(recipe.network, seed).state_dict()) for seed in range(number)],
        recipe,
        LAYOUT,
        channels=3,
        view=SIDE,
        from_answers=False,
        device=device,
    )


def predicting(
    images: Stored,
    count: int,
    asked: Any,
    limits: dict[str, float],
    device: torch.device,
    more: dict[str, Any],
) -> list[Figure]:
    """Measure prediction from stored images: one network and view, and the whole default."""
    figures = []
    few = 2 if asked.quick else 5
    for name, recipe in RECIPES.items():
        for way, (number, views) in {
            "one network, one view": (1, 1),
            f"{'five' if few == 5 else few} networks, eight views": (few, 8),
        }.items():
            settings = recipe_settings({"name": recipe, "views": views})
            reader = reader_of(settings, number, device)
            rows = np.arange(2 if views == 8 and asked.quick else count)
            made = {"one by one": reader}
            if number > 1:
                made["stacked"] = EnsembleReader(
                    reader.networks, layout=LAYOUT, from_answers=False, views=views, view=SIDE,
                    resampled=reader.resampled, device=device, products=reader.products,
                )  # fmt: skip
            limit = "TF32" if reader.products is None else "bfloat16"

            def measure(reader: ClassReader, rows: np.ndarray = rows) -> float:
                return len(rows) / waited(lambda: reader.read_stored(images, rows), device)

            rates = alternate(
                {side: lambda reader=reader: measure(reader) for side, reader in made.items()},  # type: ignore[misc]
                repeats=1 if asked.quick else asked.repeats,
                warm_up=0 if asked.quick else 1,
            )
            for side, found in rates.items():
                what = f"predicting, {name}, {limit}, {way}, {side}, images a second"
                work = operations(NETWORKS[name]) * number * views
                figures.append(share_of_limit(what, found, work, limits[limit]))
                against = [one / PREDICT_RATE for one in found]
                goal = 1.0 if number == 1 else None
                figures.append(
                    Figure(
                        what=what,
                        peer=f"{PREDICT_RATE:,.0f} a second",
                        ratio=median(against),
                        low=min(against),
                        high=max(against),
                        goal=goal,
                        rates={"images/s": median(found)},
                    )
                )
    more["predicted images"] = count
    return figures


def fits(asked: Any, folder: Path) -> list[Figure]:
    """Measure whole fits of the default with five folds, decoding left out, seconds."""
    surveys = {}
    if asked.data.exists():
        join = [
            sys.executable,
            str(ROOT / "examples/gz1/join.py"),
            str(asked.data),
            f"{folder}/gz1",
        ]
        subprocess.run(join, check=True)
        surveys["gz1"] = folder / "gz1"
    else:
        print(f"the fit of gz1 is left out: there is no {asked.data}")
    demo = folder / "demo"
    numbers = {"experts": 30, "voted": 40, "unlabelled": 4, "test": 6} if asked.quick else {}
    simulate_survey(demo, **numbers)
    surveys["demo"] = demo
    figures = []
    for name, place in surveys.items():
        catalogue = Catalogue.read(place)
        recipe = catalogue.config.recipe
        if asked.quick:
            catalogue, recipe = sample(catalogue, 60, 0), shortened(recipe)
        if not asked.quick:
            CzSL(shortened(recipe), device=asked.device).fit(catalogue)  # decodes, warms up
        repeats = 1 if asked.quick else asked.repeats
        seconds = [
            waited(lambda: CzSL(recipe, device=asked.device).fit(catalogue), torch.device("cpu"))  # noqa: B023
            for _ in range(repeats)
        ]
        shares = [one / FIT_SECONDS for one in seconds]
        figures.append(
            Figure(
                what=f"whole fit of {name}, {len(catalogue):,} objects, seconds",
                peer=f"{FIT_SECONDS:.0f} s",
                ratio=median(shares),
                low=min(shares),
                high=max(shares),
                goal=1.0 if name == "gz1" else None,
                at_most=True,
                rates={"seconds": median(seconds)},
            )
        )
    return figures


def shortened(recipe: Recipe) -> Recipe:
    """Shorten a recipe to see that it runs."""
    short = {"epochs": 1, "images": 0}
    return recipe_settings({"name": recipe.name, "folds": 2, "pretrain": short, "finetune": short})


if __name__ == "__main__":
    main()
