"""Decisions move, probabilities do not."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score

from czsl.decisions import f1_weights, make_rule, mean_f1, read_costs
from czsl.errors import ConfigError

CLASSES = ("other", "merger")


def rare(number: int = 200, seed: int = 0):
    random = np.random.default_rng(seed)
    labels = (random.random(number) < 0.15).astype(int)
    logits = random.normal(-1.7, 1, number) + 2 * labels
    p = 1 / (1 + np.exp(-logits))
    return np.stack([1 - p, p], axis=1), labels


def test_f1_is_scikit_learns():
    random = np.random.default_rng(0)
    labels, decided = random.integers(0, 3, (2, 100))
    expected = f1_score(labels, decided, average="macro")
    assert mean_f1(decided, labels, 3) == pytest.approx(expected)


def test_the_f1_of_two_classes_is_the_best_of_all_thresholds():
    posterior, labels = rare()
    weights = f1_weights(posterior, labels)
    found = mean_f1((posterior * weights).argmax(axis=1), labels, 2)
    best = max(
        mean_f1((posterior[:, 1] > threshold).astype(int), labels, 2)
        for threshold in [0, *posterior[:, 1]]
    )
    assert found == pytest.approx(best)


def test_the_f1_of_three_classes_is_no_worse_than_that_of_the_most_probable():
    random = np.random.default_rng(3)
    labels = random.choice(3, size=300, p=[0.7, 0.2, 0.1])
    logits = random.normal(size=(300, 3)) + np.log([0.7, 0.2, 0.1]) + 1.2 * np.eye(3)[labels]
    posterior = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    plain = mean_f1(posterior.argmax(axis=1), labels, 3)
    found = mean_f1((posterior * f1_weights(posterior, labels)).argmax(axis=1), labels, 3)
    assert found > plain


def test_costs_are_expected_costs(tmp_path):
    path = tmp_path / "cost.toml"
    path.write_text("[cost.merger]\nother = 8\n")
    costs = read_costs(path, CLASSES)
    np.testing.assert_array_equal(costs, [[0, 1], [8, 0]])
    posterior, labels = rare()
    rule = make_rule(path, posterior, labels, np.array([0.85, 0.15]), CLASSES)
    for row, decided in zip(posterior, rule.decide(posterior), strict=True):
        expected = [sum(row[k] * costs[k, j] for k in range(2)) for j in range(2)]
        assert decided == int(np.argmin(expected))


def test_rules_by_name():
    posterior, labels = rare()
    prior = np.array([0.85, 0.15])
    decided = {
        name: make_rule(name, posterior, labels, prior, CLASSES).decide(posterior)
        for name in ("accuracy", "gmean", "f1")
    }
    np.testing.assert_array_equal(decided["accuracy"], posterior.argmax(axis=1))
    np.testing.assert_array_equal(decided["gmean"], (posterior[:, 1] > 0.15).astype(int))
    for one, other in itertools.pairwise(("accuracy", "f1", "gmean")):
        assert decided[one].sum() <= decided[other].sum()


def test_everything_wrong_with_a_file_of_costs_is_told_at_once(tmp_path):
    path = tmp_path / "cost.toml"
    path.write_text(
        "[cost.merge]\nother = 1\n[cost.merger]\nothr = 2\nother = -1\n[costs]\na = 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_costs(path, CLASSES)
    told = str(caught.value)
    for words in ("4 problems", "'merge'", "did you mean 'merger'", "'othr'", "got -1", "[costs]"):
        assert words in told
    path.write_text("[cost")
    with pytest.raises(ConfigError, match=r"cost\.toml: cannot be read as TOML"):
        read_costs(path, CLASSES)


def test_an_unknown_rule_is_refused():
    posterior, labels = rare()
    with pytest.raises(ConfigError, match="the rules are accuracy, gmean, f1"):
        make_rule("gmaen", posterior, labels, np.array([0.5, 0.5]), CLASSES)
