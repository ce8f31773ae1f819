"""An arm of one's own: the class that experts gave to the objects with the nearest votes."""

import sys

import numpy as np

from czsl.compare.cell import Cell
from czsl.compare.compare import compare
from czsl.compare.plan import Task
from czsl.config import read_config


def nearest(cell: Cell) -> np.ndarray:
    """Learn from the experts' objects of the training set, judge the scored ones."""
    votes, voted = cell.catalogue.questions[0].fractions, cell.catalogue.has_votes
    taught = cell.split.experts[voted[cell.split.experts]]
    apart = np.square(votes[cell.scored, None] - votes[taught]).sum(axis=2)
    five = taught[np.argsort(apart, axis=1)[:, :5]]
    share = np.eye(len(cell.truth.classes))[cell.training.experts[five]].mean(axis=1)
    posterior = 0.9 * share + 0.1 * cell.prior  # (scored, class); never quite 0 or 1
    return np.where(voted[cell.scored, None], posterior, np.nan)


if __name__ == "__main__":
    config, out = sys.argv[1:]
    task = Task.of(read_config(config), arms=("majority", "logistic"), more={"nearest": nearest})
    compare([task], out, reference="majority", jobs=2)
