"""An arm of one's own: experts' classes of the objects with the nearest votes."""

import sys

import numpy as np

from czsl.compare.compare import compare
from czsl.compare.plan import Task
from czsl.config import read_config


def nearest(cell):
    """Learn from the experts' objects, judge the scored ones."""
    votes = cell.catalogue.questions[0].fractions  # (object, answer)
    voted = cell.catalogue.has_votes
    taught = cell.split.experts[voted[cell.split.experts]]
    apart = votes[cell.scored, None] - votes[taught]
    apart = np.square(apart).sum(axis=2)  # (scored, taught)
    five = taught[np.argsort(apart, axis=1)[:, :5]]
    classes = np.eye(len(cell.prior))[cell.training.experts[five]]
    posterior = 0.9 * classes.mean(axis=1) + 0.1 * cell.prior
    return np.where(voted[cell.scored, None], posterior, np.nan)


if __name__ == "__main__":
    config, out = read_config(sys.argv[1]), sys.argv[2]
    arms, own = ("majority", "logistic"), {"nearest": nearest}
    task = Task.of(config, arms=arms, more=own)
    compare([task], out, reference="majority", jobs=2)
