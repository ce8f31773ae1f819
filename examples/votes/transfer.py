"""Measure the transfer from votes to experts' classes on the published tables of Galaxy Zoo 1.

Usage: python transfer.py FOLDER TASK EXPERTS SEEDS [extra] [perceptron]. FOLDER holds
votes_es_erl.csv and votes_mergers.csv; TASK is early_late, spirals or mergers. For each seed so
many experts' objects are drawn at random from the training rows of a published fold, and its test
rows are scored: with all votes, and with 20, 10, 5, 3 and 1 of them. With "extra" the debiased
columns are inputs too; they come from all votes, so they are hidden where votes are thinned.
Beside the transfer stands the plain majority.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from czsl import Catalogue
from czsl.compare.tasks import published_tasks
from czsl.recipes import Transfer
from czsl.stages.targets import make_layout, transfer_inputs
from czsl.stages.transfer import fit_transfer

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

VOTES = (0, 20, 10, 5, 3, 1)


def main(folder: Path, name: str, experts: int, seeds: int, extra: bool, kind: str) -> None:
    """Print a line for each number of votes: means over the seeds, and their spread."""
    task = next(task for task in published_tasks(folder, ("majority",)) if task.name == name)
    catalogue = Catalogue.read(task.config)
    settings = Transfer(kind=kind, extra=extra)  # type: ignore[arg-type]
    inputs = transfer_inputs(catalogue, settings)
    layout = make_layout(task.config.votes, task.config.classes)
    found: dict[int, list[list[float]]] = {}
    seconds, notes, collapsed = 0.0, [], 0
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
        notes += fitted.notes
        collapsed += fitted.collapsed
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
            posterior = fitted.probabilities(features)
            plain = shares @ layout.class_answers + 0.5 / (votes or 40)
            plain = plain / plain.sum(axis=1, keepdims=True)
            row = [*scores(posterior, truth, prior, name), *scores(plain, truth, prior, name)]
            found.setdefault(votes, []).append(row)
    print(f"{name}, {experts} experts, extra={extra}, {len(found[0])} seeds, ", end="")
    print(f"{seconds / max(len(found[0]), 1):.2f} s a fit, {collapsed} collapsed")
    for votes, rows_ in found.items():
        table = np.array(rows_)
        mean, spread = table.mean(axis=0), table.std(axis=0)
        print(
            f"  {votes or 'all':>3} votes: {mean[0]:.4f} +- {spread[0]:.4f} "
            f"(least {table[:, 0].min():.3f}), log loss {mean[1]:.4f} +- {spread[1]:.4f}; "
            f"majority {mean[2]:.4f}, {mean[3]:.4f}"
        )
    for note in sorted({n.split(":")[0] for n in notes}):
        print(f"  {sum(n.startswith(note) for n in notes)} x {note}")


def scores(posterior: Floats, truth: Rows, prior: Floats, name: str) -> tuple[float, float]:
    """Give the accuracy, for mergers the G-mean of posterior / prior, and the log loss."""
    loss = -np.log(np.maximum(posterior[np.arange(len(truth)), truth], 1e-12)).mean()
    if name != "mergers":
        return float(np.mean(posterior.argmax(axis=1) == truth)), float(loss)
    chosen = (posterior / prior).argmax(axis=1)
    recalls = [np.mean(chosen[truth == label] == label) for label in np.unique(truth)]
    return float(np.prod(recalls) ** (1 / len(recalls))), float(loss)


if __name__ == "__main__":
    where, what, number, repeats, *more = sys.argv[1:]
    chosen_kind = "perceptron" if "perceptron" in more else "logistic"
    main(Path(where), what, int(number), int(repeats), "extra" in more, chosen_kind)
