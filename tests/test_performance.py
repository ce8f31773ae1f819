"""The pages on performance and scale say what the benchmarks left, and make nothing up."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from czsl.nets.network import make_network
from czsl.nets.published import PublishedAutoencoder
from scripts import load

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made():
    """The script that writes the pages."""
    return load(ROOT / "docs" / "make_performance.py")


@pytest.fixture(scope="module")
def tables(made):
    """The tables of the page on scale."""
    return sys.modules["scale_tables"]


@pytest.fixture(scope="module")
def growing():
    """The script that measures growth."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield load(ROOT / "benchmarks" / "growth.py")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def figure(what: str, ratio: float, **changes) -> dict:
    found = {
        "what": what,
        "peer": "Pillow",
        "ratio": ratio,
        "low": ratio - 0.25,
        "high": ratio + 0.25,
        "goal": None,
        "at_most": False,
        "rates": {"ours, images a second": 1000.0, "Pillow, images a second": 250.0},
        "limit": "",
        "met": None,
    }
    return found | changes


def bench(folder: Path, name: str, figures: list[dict], date="2026-11-25", **more) -> None:
    content = {
        "benchmark": name,
        "command": f"python benchmarks/{name}.py",
        "date": date,
        "machine": {"cpu": "A processor", "cores": 2, "versions": {"numpy": "2.0"}},
        "figures": figures,
        "more": more,
    }
    (folder / f"{name}.json").write_text(json.dumps(content))


def curve(name: str, power: float, **changes) -> dict:
    points = [
        {"size": size, "seconds": (size / 1e5) ** power, "bytes": 100.0 * size}
        for size in (10_000, 100_000, 1_000_000)
    ]
    found = {"name": name, "axis": "objects", "points": points, "why": "pairs are compared"}
    return found | {"time": power, "memory": 1.0} | changes


@pytest.fixture
def pages(made, tmp_path):
    """The pages of three benchmarks."""
    runs, docs = tmp_path / "bench", tmp_path / "docs"
    runs.mkdir()
    docs.mkdir()
    shutil.copy(ROOT / "docs" / "scale.md", docs)
    decoded = [
        figure("JPEG to 64 px, whole image: ours", 4.0, goal=3.5, met=True),
        figure("two processes against one | JPEG", 1.8, goal=1.85, met=False, limit="the disk"),
    ]
    bench(runs, "images", decoded)
    store = figure("random reads", 0.92, peer="memory map", limit="copies")
    bench(runs, "store", [store])
    bench(runs, "limits", [figure("two cores", 1.9)], limits={"memory, GB/s": 12.5})
    memory = figure("memory of predict", 1.05, goal=1.1, at_most=True, met=True)
    bench(runs, "million", [memory], rows=1_000_000, failures=0)
    curves = [
        curve("catalogue, whole", 1.0),
        curve("comparison's pairs", 2.0),
        curve("transfer, fit", 1.0, axis="classes", memory=1.4),
    ]
    bench(
        runs,
        "growth",
        [figure("pairs", 2.0, goal=1.1, at_most=True, met=False)],
        curves=curves,
        steep=1.1,
    )
    made.main(runs, docs)
    return docs


def test_the_figures_as_json(pages):
    rows = json.loads((pages / "performance.json").read_text(encoding="utf-8"))
    assert rows[0] == {
        "what": "JPEG to 64 px, whole image: ours",
        "peer": "Pillow",
        "ratio": 4.0,
        "low": 3.75,
        "high": 4.25,
        "goal": "3.5",
        "command": "python benchmarks/images.py",
        "measured": "2026-11-25",
        "benchmark": "images",
        "machine": "A processor, 2 cores",
        "cores": 2,
        "versions": "numpy 2.0",
        "met": True,
        "rates": {"ours, images a second": 1000.0, "Pillow, images a second": 250.0},
        "limit": "",
    }
    assert [row["goal"] for row in rows[1:]] == ["1.85", "", "at most 1.1", "at most 1.1", ""]
    (growth,) = (row for row in rows if row["benchmark"] == "growth")
    assert [len(curve["points"]) for curve in growth["more"]["curves"]] == [1, 1, 1]


def test_benchmarks_that_are_gone_stay_and_one_run_again_changes_its_own_rows(
    made, pages, tmp_path
):
    def content() -> dict:
        return {path: path.read_bytes() for path in pages.rglob("*") if path.is_file()}

    before, again = content(), tmp_path / "again"
    again.mkdir()
    made.main(again, pages)
    assert content() == before
    bench(again, "store", [figure("random reads", 0.5, peer="memory map")], date="2026-12-01")
    made.main(again, pages)
    old, new = (json.loads(found[pages / "performance.json"]) for found in (before, content()))
    changed = [row for row in new if row not in old]
    assert [(row["ratio"], row["measured"]) for row in changed] == [(0.5, "2026-12-01")]
    assert [row for row in old if row not in new] == [old[2]]
    page = (pages / "performance.md").read_text(encoding="utf-8")
    assert "| store | 2026-12-01 | A processor, 2 cores | numpy 2.0 |" in page
    assert "| random reads | memory map | 50% (25% to 75%) | 2026-12-01 |  |" in page
    assert "whole image: ours | Pillow | 4.00 (3.75 to 4.25) | 3.5 | reached | ours, im" in page


def test_without_benchmarks_the_pages_of_the_repository_stay(made, tmp_path):
    names = ("performance.json", "performance.md", "scale.md")
    for name in names:
        shutil.copy(ROOT / "docs" / name, tmp_path)
    made.main(tmp_path / "bench", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)  # nothing is drawn
    for name in names:
        assert (tmp_path / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


def test_benchmarks_without_a_script_drop_out(made):
    old = [{"benchmark": "store", "what": "reads"}, {"benchmark": "gone", "what": "others"}]
    assert made.renewed_rows(old, []) == old[:1]


def test_a_benchmark_that_could_not_measure_leaves_the_old_figures(made):
    old = [{"benchmark": "fit", "what": "a whole fit"}]
    assert made.renewed_rows(old, [{"benchmark": "fit", "figures": []}]) == old


def test_the_page_shows_every_figure_and_what_limits_it(pages):
    page = (pages / "performance.md").read_text(encoding="utf-8")
    assert "2026-11-25 | A processor, 2 cores | numpy 2.0 |" in page
    assert "whole image: ours | Pillow | 4.00 (3.75 to 4.25) | 3.5 | reached | ours, im" in page
    assert "\n2 of 3 goals are reached.\n\nNot measured: a whole fit of gz1 in" in page
    told = "two processes against one &#124; JPEG | Pillow | 1.80 (1.55 to 2.05) | 1.85"
    assert f"| {told} | missed | 2026-11-25 | the disk |" in page
    assert "Pillow | 4.00 (3.75 to 4.25) | 3.5 | reached | 2026-11-25 |  |" in page
    assert "| number of objects | 1,000,000 | 100 s | **2.00** | 100 MB | 1.00 |" in page
    assert "in time, and why:\n\n- **comparison's pairs**, by number of objects: pairs are" in page
    assert "in memory, and why:\n\n- **transfer, fit**, by number of classes: Newton's" in page
    assert "| memory, GB/s | 12.5 |" in page
    assert "| random reads | memory map | 92% (67% to 117%) | 2026-11-25 | copies |" in page
    names = re.findall(r"_static/([\w-]+\.png)", page)
    assert names == ["growth-objects.png", "growth-others.png"]
    for name in names:
        with Image.open(pages / "_static" / name) as image:
            assert len(image.convert("RGB").getcolors()) > 5  # something is drawn


def test_plots_of_forty_parts_are_small(made, tmp_path):
    made.draw([curve(f"part {number}", 1 + number / 40) for number in range(40)], tmp_path)
    assert (tmp_path / "growth-objects.png").stat().st_size < 150_000


def test_the_tables_of_scale_follow_the_rates(pages, tables):
    page = (pages / "scale.md").read_text(encoding="utf-8")
    assert f"| {64 * 64 * 3 + tables.LISTED:,} | 123 GB | 12.3 TB |" in page
    # 10^7 images at 1,000 a second and core, of which each of two keeps nine tenths.
    hours = 10**7 / (1000 * 0.9 * 2) / 3600
    assert (
        f"| 1,000 a second and core | 2 cores | {hours:.3g} h | {100 * hours / 24:.3g} days |"
        in page
    )
    price = 10**7 / 900 / 3600 * tables.CORE_HOUR
    assert f"{price:.2f} dollars |" in page
    assert "| catalogue, whole | 100 MB for 1,000,000 | 1.00 | 1 GB | 100 GB |" in page
    assert "| failures | 0 |" in page
    assert "| rows | 1e+06 |" in page
    assert "| predict from the store | not measured on a GPU |" in page


def test_a_prediction_is_never_faster_than_its_driver(tables):
    """1,000 a second and core: 64 cores look at fewer than one process reads, 1,024 at more."""
    rates = {"ours": 2000.0}
    found = [
        {
            "benchmark": "predict",
            "cores": 2,
            "more": {},
            "figures": [figure("published network, 2 threads", 3.0, rates=rates)],
        },
        {"benchmark": "images", "cores": 2, "more": {}, "figures": [figure("two processes", 1.6)]},
    ]
    lines = [line for line in tables.hours(found) if "store, published" in line]
    # Both cores of the machine were busy when it was measured: no efficiency beside that.
    assert lines[1].endswith(f"| 64 cores | 2.6 min | {10**9 / 64_000 / 3600:.3g} h |")
    least = 10**9 / 300_000 + 10**9 / 1_300_000
    assert lines[2].endswith(
        f"| 1,024 cores, bound by the driver | 0.68 min | {least / 3600:.3g} h |"
    )
    assert any("N / (1,000 / s) hours of a core" in line for line in tables.costs(found))


def test_without_benchmarks_nothing_is_made_up(made, tables, tmp_path):
    shutil.copy(ROOT / "docs" / "scale.md", tmp_path)
    made.main(tmp_path, tmp_path)
    assert "Nothing is measured yet" in (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "performance.json").read_text(encoding="utf-8")) == []
    page = (tmp_path / "scale.md").read_text(encoding="utf-8")
    assert "Not run yet: `python benchmarks/million.py`." in page
    assert page.count("| not measured") == len(tables.SOURCES)


def test_the_page_on_scale_names_every_table(tables):
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert re.findall(r"<!-- table: (\w+) -->", page) == list(tables.TABLES)
    assert page.count("<!-- end -->") == len(tables.TABLES)


def test_an_exponent_is_fitted_to_the_sizes_that_count(growing):
    sizes = [10**k for k in range(3, 7)]
    points = [{"size": n, "seconds": max(0.01, 1e-7 * n**1.3)} for n in (100, *sizes)]
    assert growing.exponent(points, "seconds", 0.011) == pytest.approx(1.3)
    assert growing.exponent(points, "seconds", 0.001) < 1.0  # a call's fixed cost counts too
    plain = [{"size": n, "seconds": 1e-6 * n} for n in sizes]
    assert growing.exponent(plain, "seconds", 0.0) == pytest.approx(1.0)
    assert growing.exponent(plain, "seconds", 10.0) is None
    assert growing.exponent(plain[:2], "seconds", 0.0) is None


def test_the_peak_of_memory_is_that_of_the_work(growing):
    found = growing.measure(lambda: np.ones(4_000_000).sum(), repeats=1)
    assert 31e6 < found["bytes"] < 40e6


@pytest.mark.parametrize("number", [2, 8, 22, 27])
def test_a_part_is_measured(growing, number):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        found = growing.measured(number, repeats=1, quick=True)
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    assert [point["size"] for point in found["points"]] == [1_000, 10_000]
    assert all(point["seconds"] > 0 for point in found["points"])


def test_an_exponent_that_was_not_fitted_has_no_ratio(growing):
    told = growing.figure(curve("quick", 1.0, time=None, memory=None, points=[POINT]))
    assert (told.ratio, told.met) == (None, None)
    assert "exponent of memory" not in told.rates
    assert growing.figure(curve("steep", 1.2)).met is False


POINT = {"size": 10, "seconds": 0.001, "bytes": 100}


def rows_of(*figures_: dict, more: dict | None = None) -> dict:
    return {"benchmark": "some", "figures": list(figures_), "more": more or {}}


def test_what_a_goal_would_take_is_worked_out(made):
    """Operations by hand: 4 x 500 images/s of 16.0 MFLOP are 32.1 of 64 GFLOP/s."""
    limits = sys.modules["speed_limits"]
    peak, wanted = {"float32, 2 cores, GFLOP/s": 64.0}, {"goal": "4", "met": False}
    fast = figure(
        "training, published cnn, 2 threads, batch 32", 2.0, peer="Keras", limit="a profile",
        rates={"ours": 1000.0, "Keras": 500.0}, **wanted,
    )  # fmt: skip
    found = [rows_of(fast, more={"limits": peak})]
    assert limits.limit_of(fast, found) == (
        "a profile. A ratio of 4 would take 32 of 64 GFLOP/s, 50% of the float32 peak measured."
    )
    assert limits.limit_of(fast, [rows_of(fast)]) == "a profile"  # no peak was measured
    assert limits.limit_of(fast | {"met": True}, found) == "a profile"
    store = figure(
        "prediction from the store, published network, 2 threads", 2.0,
        rates={"ours, published": 1000.0, "plain loop, published": 500.0}, **wanted,
    )  # fmt: skip
    operations = figure(
        f"{store['what']}, operations", 0.2, rates={"reached, G": 8.0, "float32 product": 40.0}
    )
    files = figure(
        "prediction from JPEG files, published network, crop 128", 0.2,
        rates={"predict": 200.0, "decode alone": 1000.0}, **wanted,
    )  # fmt: skip
    found = [rows_of(store, operations, files)]
    assert "would take 16 of 40 GFLOP/s, 40%" in limits.limit_of(store, found)
    assert limits.limit_of(operations, found) == limits.OPERATIONS
    assert limits.limit_of(files, found).endswith("as fast as alone, would reach 0.50.")
    loop = figure("training, default's network, bfloat16, whole loop", 0.4, **wanted, limit="x")
    steps = figure("training, default's network, bfloat16, bare steps", 0.5)
    assert limits.limit_of(loop, []).startswith("x. A loop of nothing but these convolutions")
    assert "would reach 0.60." in limits.limit_of(loop, [])
    assert limits.limit_of(steps, [rows_of(loop)]) == "x"


def test_operations_of_the_published_networks_are_those_that_torch_counts(made):
    network = make_network(
        "published", channels=3, size=64, width=16, questions=[], classes=3, seed=0
    )
    one = torch.rand(1, 3, 64, 64)
    counted = {}
    with FlopCounterMode(display=False) as counter:
        network(one).classes.sum().backward()
    counted["cnn"] = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        PublishedAutoencoder(channels=3)(one).sum().backward()
    counted["autoencoder"] = counter.get_total_flops()
    assert counted == sys.modules["speed_limits"].TRAINED
