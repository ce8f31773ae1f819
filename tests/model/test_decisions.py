"""Decisions move, probabilities do not."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score

from czsl.decisions import RULES, Rule, f1_weights, make_rule, mean_f1, read_costs
from czsl.errors import ConfigError

CLASSES = ("other", "merger")
THREE = ("early", "late", "merger")


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


def drawn(seed: int, shares=(0.7, 0.25, 0.05), number: int = 300):
    """Draw posteriors that are calibrated, and classes, of which the last is rare."""
    random = np.random.default_rng(seed)
    shares = np.array(shares)
    labels = random.choice(len(shares), size=number, p=shares)
    seen = random.normal(size=(number, len(shares))) + 1.5 * np.eye(len(shares))[labels]
    posterior = shares * np.exp(1.5 * seen)
    return posterior / posterior.sum(axis=1, keepdims=True), labels, shares


def recalls(decided, labels):
    return np.array([np.mean(decided[labels == k] == k) for k in np.unique(labels)])


@pytest.mark.parametrize(("seed", "number"), [(0, 20), (1, 60), (2, 300), (3, 2000), (4, 2000)])
def test_of_two_classes_no_threshold_has_a_higher_f1(seed, number):
    posterior, labels, _ = drawn(seed, shares=(0.97, 0.03), number=number)
    thresholds = np.append(np.unique(posterior[:, 1]), 1.0)
    decided = [np.where(posterior[:, 1] >= one, 1, 0) for one in thresholds]
    expected = max(mean_f1(one, labels, 2) for one in decided)
    found = f1_weights(posterior, labels)
    assert mean_f1((posterior * found).argmax(axis=1), labels, 2) == pytest.approx(expected)


def test_coarse_posteriors_fall_together():
    random = np.random.default_rng(0)
    first = random.integers(0, 9, 200) / 8
    posterior = np.stack([first, 1 - first], axis=1)
    labels = (random.random(200) < 0.3 * (1 - first)).astype(np.int64)
    # At a probability of 0 no weight decides on the class.
    expected = max(
        mean_f1((posterior[:, 1] > one).astype(np.int64), labels, 2) for one in np.arange(9) / 8
    )
    found = f1_weights(posterior, labels)
    assert mean_f1((posterior * found).argmax(axis=1), labels, 2) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(2))
def test_of_three_classes_f1_is_that_of_a_fine_grid(seed):
    posterior, labels, _ = drawn(seed, number=150)
    grid = np.exp(np.linspace(-5, 5, 31))
    best = max(
        mean_f1((posterior * [1.0, a, b]).argmax(axis=1), labels, 3)
        for a, b in itertools.product(grid, grid)
    )
    found = mean_f1((posterior * f1_weights(posterior, labels)).argmax(axis=1), labels, 3)
    assert found > best - 0.02


def test_what_is_best_already_stays():
    posterior = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [np.nan, np.nan]])
    np.testing.assert_array_equal(f1_weights(posterior, np.array([0, 0, 1, 0])), [1, 1])
    np.testing.assert_array_equal(f1_weights(posterior[3:], np.array([0])), [1, 1])


def test_each_rule_is_best_at_what_it_is_named_for():
    posterior, labels, prior = drawn(0, number=5000)
    rules = {name: make_rule(name, posterior, labels, prior, THREE) for name in RULES}
    decided = {name: rule.decide(posterior) for name, rule in rules.items()}
    scores = {
        "accuracy": lambda found: np.mean(found == labels),
        "gmean": lambda found: recalls(found, labels).prod(),
        "f1": lambda found: f1_score(labels, found, average="macro"),
    }
    for name, score in scores.items():
        values = {rule: score(found) for rule, found in decided.items()}
        assert max(values, key=values.get) == name


def test_gmean_decides_on_no_class_without_a_share():
    posterior, labels, _ = drawn(1)
    prior = np.array([0.5, 0.5, 0.0])
    found = make_rule("gmean", posterior, labels, prior, THREE).decide(posterior)
    np.testing.assert_array_equal(found, posterior[:, :2].argmax(axis=1))


def test_costs_that_are_all_alike_decide_on_the_most_probable(tmp_path):
    path = tmp_path / "cost.toml"
    path.write_text("[cost]\n")
    posterior, labels, prior = drawn(3)
    found = make_rule(path, posterior, labels, prior, THREE).decide(posterior)
    np.testing.assert_array_equal(found, posterior.argmax(axis=1))


def test_without_a_posterior_there_is_no_class_and_nothing_is_changed():
    posterior = np.array([[np.nan] * 3, [0.2, np.nan, 0.8], [0.2, 0.5, 0.3]])
    before = posterior.copy()
    found = Rule(gains=np.eye(3)).decide(posterior)
    np.testing.assert_array_equal(found, [-1, -1, 1])
    np.testing.assert_array_equal(posterior, before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cost = 3\n", r"\[cost\]: got 3; a table is needed"),
        ("[cost]\nmerger = 3\n", r"\[cost.merger\]: got 3; a table is needed"),
        ("", r"there is no \[cost.CLASS\] in it"),
        ("[cost", "cannot be read as TOML"),
    ],
)
def test_what_is_no_file_of_costs_is_refused(tmp_path, content, message):
    path = tmp_path / "cost.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_costs(path, THREE)
