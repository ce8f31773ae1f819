"""Measure the transfer from votes to experts' classes on the published tables of Galaxy Zoo 1.

Usage: python transfer.py FOLDER TASK EXPERTS SEEDS [extra] [perceptron] [--json FILE]. FOLDER holds
votes_es_erl.csv and votes_mergers.csv; TASK is early_late, spirals or mergers. For each seed so
many experts' objects are drawn at random from the training rows of a published fold, and its test
rows are scored: with all votes, and with 20, 10, 5, 3 and 1 of them. With "extra" the debiased
columns are inputs too; they come from all votes, so they are hidden where votes are thinned.
Beside the transfer stands the plain majority. FILE gets means and spreads over the seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl import Catalogue
from czsl.compare.measures import prepare
from czsl.compare.tasks import published_tasks
from czsl.files import write_json
from czsl.recipes import Transfer
from czsl.stages.targets import make_layout, transfer_inputs
from czsl.stages.transfer import fit_transfer

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

VOTES = (0, 20, 10, 5, 3, 1)


def measure(folder: Path, name: str, experts: int, seeds: int, extra: bool, kind: str) -> Any:
    """Fit with every seed; give the scores for each number of votes, and what the fits said."""
    task = next(task for task in published_tasks(folder, ("majority",)) if task.name == name)
    catalogue = Catalogue.read(task.config)
    settings = Transfer(kind=kind, extra=extra)
    inputs = transfer_inputs(catalogue, settings)
    layout = make_layout(task.config.votes, task.config.classes)
    assert catalogue.experts is not None
    assert catalogue.folds is not None
    found: dict[str, list[dict[str, float]]] = {}
    used: list[int] = []
    notes: list[str] = []
    collapsed, fallbacks, seconds = 0, 0, 0.0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        inside = catalogue.folds == np.unique(catalogue.folds)[seed % 5]
        rows = random.choice(np.flatnonzero(~inside), experts, replace=False)
        labels = catalogue.experts[rows]
        if len(np.unique(labels)) < layout.classes:
            continue
        began = time.perf_counter()
        fitted = fit_transfer(settings, inputs, rows, labels, layout, seed)
        seconds += time.perf_counter() - began
        used.append(seed)
        notes += fitted.notes
        collapsed += int(fitted.collapsed)
        fallbacks += fitted.fallback
        prior = np.bincount(labels, minlength=layout.classes) / len(labels)
        test = np.flatnonzero(inside)
        truth = catalogue.experts[test]
        for votes in VOTES if kind == "logistic" else (0,):
            features, shares = inputs.features[test], catalogue.questions[0].fractions[test]
            if votes:
                few = np.full(len(test), votes)
                again = np.random.default_rng(seed)
                features = inputs.thinned(test, few, layout.questions, again)
                weight = features[:, [layout.answers]]
                shares = features[:, : layout.answers] / weight
            plain = shares @ layout.class_answers + 0.5 / (votes or 40)
            plain = plain / plain.sum(axis=1, keepdims=True)
            beside = scores(plain, truth, prior, name)
            row = scores(fitted.probabilities(features), truth, prior, name)
            row |= {f"majority_{key}": value for key, value in beside.items()}
            found.setdefault(str(votes or "all"), []).append(row)
    return {
        "task": name,
        "experts": experts,
        "extra": extra,
        "kind": kind,
        "seeds": used,
        "collapsed": collapsed,
        "fallbacks": fallbacks,
        "seconds": seconds,
        "votes": {
            votes: {key: spread(rows, key) for key in rows[0]} for votes, rows in found.items()
        },
        "notes": {note: notes.count(note) for note in sorted(set(notes))},
    }


def scores(posterior: Floats, truth: Rows, prior: Floats, name: str) -> dict[str, float]:
    """Give the accuracy, for mergers the G-mean of posterior / prior, and two of probabilities."""
    found = prepare(posterior, truth, prior).values()
    return {
        "score": found["gmean_moved" if name == "mergers" else "accuracy"],
        "log_loss": -found["log_likelihood"],
        "calibration_error": found["calibration_error"],
    }


def spread(rows: list[dict[str, float]], key: str) -> dict[str, float]:
    """Give the mean over the seeds, and the range of the middle 95% of them."""
    values = [row[key] for row in rows]
    low, high = np.percentile(values, [2.5, 97.5])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}


def tell(found: Any) -> None:
    """Print a line for each number of votes."""
    print(f"{found['task']}, {found['experts']} experts, extra={found['extra']}, ", end="")
    print(
        f"{len(found['seeds'])} seeds, {found['seconds'] / len(found['seeds']):.2f} s a fit, ",
        end="",
    )
    print(f"{found['collapsed']} collapsed, {found['fallbacks']} fell back")
    for votes, row in found["votes"].items():
        told = [
            f"{key.replace('_', ' ')} {one['mean']:.4f} ({one['low']:.4f} to {one['high']:.4f})"
            for key, one in row.items()
        ]
        print(f"  {votes:>3} votes: {', '.join(told[:3])}; {', '.join(told[3:])}")
    for note, number in found["notes"].items():
        print(f"  {number} x {note}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("task", choices=("early_late", "spirals", "mergers"))
    parser.add_argument("experts", type=int)
    parser.add_argument("seeds", type=int)
    parser.add_argument("more", nargs="*", choices=("extra", "perceptron", []))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = "perceptron" if "perceptron" in given.more else "logistic"
    extra = "extra" in given.more
    made = measure(given.folder, given.task, given.experts, given.seeds, extra, model)
    made["command"] = " ".join(["python", "examples/votes/transfer.py", *sys.argv[1:]])
    tell(made)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(given.json, made)
