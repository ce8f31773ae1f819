"""Rules that join image and votes, each against a count vote by vote; the arms that use them."""

import numpy as np
import pytest

from czsl.catalogue import Catalogue, Given
from czsl.compare.about import RULES, about_arm
from czsl.compare.arms import ARM_NAMES, all_arms, select_arms
from czsl.compare.cell import Cell
from czsl.compare.fusions import (
    FUSIONS,
    Evidence,
    Known,
    class_votes,
    crowdlab,
    fused,
    gravity_spy,
    product,
    space_warps,
    tempered_product,
)
from czsl.compare.protocols import Protocol
from czsl.model import Hardware
from czsl.scores import log_loss
from tiny import ANSWERS, quick, tiny_config, truth, write_survey

CLASSES = 3


def evidence(labels, random, votes=(0, 9)):
    """Posteriors that lean to the class, and votes for classes; some objects have none."""
    lean = np.full(CLASSES, 0.6) + 2.0 * np.eye(CLASSES)[labels]
    image, posterior = (np.array([random.dirichlet(row) for row in lean]) for _ in range(2))
    number = random.integers(*votes, len(labels))
    shares = [random.dirichlet(row) for row in lean]
    counts = np.array([random.multinomial(n, p) for n, p in zip(number, shares, strict=True)])
    posterior[number == 0] = np.nan
    weight = number / (number + 3)
    return Evidence(image=image, votes=posterior, weight=weight, counts=counts.astype(float))


@pytest.fixture
def given():
    """Known objects, and others: the first without votes, the second without an image, the
    third with neither."""
    random = np.random.default_rng(4)
    labels = random.choice(CLASSES, 80, p=[0.5, 0.3, 0.2])
    known = Known(
        evidence=evidence(labels, random),
        labels=labels,
        folds=np.arange(80) % 5,
        prior=np.bincount(labels) / 80,
    )
    scored = evidence(random.integers(0, CLASSES, 30), random, votes=(1, 9))
    scored.votes[[0, 2]], scored.counts[[0, 2]] = np.nan, 0
    scored.image[[1, 2]] = np.nan
    return known, scored


def each_vote(counts):
    """Give the class of every vote on one object."""
    return [k for k, number in enumerate(counts) for _ in range(int(number))]


@pytest.mark.parametrize("rule", list(FUSIONS))
def test_what_is_missing_is_left_out(given, rule):
    known, scored = given
    posterior = FUSIONS[rule](known, scored)
    assert np.isnan(posterior[2]).all()
    assert np.delete(posterior, 2, axis=0).sum(axis=1) == pytest.approx(1)
    assert posterior[0] == pytest.approx(scored.image[0])
    if rule in ("fused", "fused_in_fold", "product", "tempered_product"):
        assert posterior[1] == pytest.approx(scored.votes[1])
    elif rule == "gravity_spy":
        assert posterior[1] == pytest.approx(scored.counts[1] / scored.counts[1].sum())
    else:
        assert posterior[1].argmax() == scored.counts[1].argmax()


def test_the_product_is_bayes_rule(given):
    known, scored = given
    joint = scored.image[3:] * scored.votes[3:] / known.prior
    expected = joint / joint.sum(axis=1, keepdims=True)
    assert product(known, scored)[3:] == pytest.approx(expected, rel=1e-3)


def test_the_tempered_product_has_the_best_exponent_of_a_grid(given):
    known, scored = given
    one = known.evidence
    both = ~np.isnan(one.votes).any(axis=1)

    def at(exponent, image, votes):
        joint = (image * votes / known.prior) ** exponent
        return joint / joint.sum(axis=1, keepdims=True)

    grid = np.linspace(0.05, 2.0, 400)
    losses = [
        log_loss(at(exponent, one.image[both], one.votes[both]), known.labels[both])
        for exponent in grid
    ]
    best = at(grid[np.argmin(losses)], scored.image[3:], scored.votes[3:])
    assert 0 < np.argmin(losses) < len(grid) - 1
    assert tempered_product(known, scored)[3:] == pytest.approx(best, abs=2e-3)


def test_fused_is_fitted_to_the_known_objects(given):
    known, scored = given
    swapped = Known(
        evidence=known.evidence,
        labels=(known.labels + 1) % CLASSES,
        folds=known.folds,
        prior=known.prior,
    )
    one, other = fused(known, scored), fused(swapped, scored)
    assert one[:3] == pytest.approx(other[:3], nan_ok=True)
    assert not np.allclose(one[3:], other[3:], atol=0.05)


def test_space_warps_counts_vote_by_vote(given):
    known, scored = given
    votes_of = np.ones((CLASSES, CLASSES))  # (true, said)
    for label, counts in zip(known.labels, known.evidence.counts, strict=True):
        for said in each_vote(counts):
            votes_of[label, said] += 1
    expected = []
    for image, counts in zip(scored.image[3:], scored.counts[3:], strict=True):
        posterior = image.copy()
        for said in each_vote(counts):
            for true in range(CLASSES):
                posterior[true] *= votes_of[true, said] / votes_of[true].sum()
            posterior /= posterior.sum()
        expected.append(posterior)
    assert space_warps(known, scored)[3:] == pytest.approx(np.array(expected), abs=1e-9)


def test_gravity_spy_takes_the_image_for_one_vote_more(given):
    known, scored = given
    expected = []
    for image, counts in zip(scored.image[3:], scored.counts[3:], strict=True):
        votes = [np.eye(CLASSES)[said] for said in each_vote(counts)]
        expected.append(np.mean([image, *votes], axis=0))
    assert gravity_spy(known, scored)[3:] == pytest.approx(np.array(expected))


def test_crowdlab_weighs_vote_by_vote(given):
    known, scored = given
    one = known.evidence
    several = [i for i in range(len(one.image)) if one.counts[i].sum() > 1]
    majority = {i: max(range(CLASSES), key=lambda k, i=i: one.counts[i][k]) for i in several}
    with_majority = np.mean(
        [np.mean([said == majority[i] for said in each_vote(one.counts[i])]) for i in several]
    )
    agree = pairs = 0
    for i in several:
        votes = each_vote(one.counts[i])
        for first in range(len(votes)):
            for second in range(len(votes)):
                if first != second:
                    agree, pairs = agree + (votes[first] == votes[second]), pairs + 1
    commonest = np.bincount(list(majority.values())).argmax()
    chance = np.mean([majority[i] != commonest for i in several])
    wrong = np.mean([one.image[i].argmax() != majority[i] for i in several])
    root = np.sqrt(np.mean([one.counts[i].sum() for i in several]))
    weights = max(1 - wrong / chance, 1e-6) * root, max(1 - (1 - agree / pairs) / chance, 1e-6)
    assert min(weights) > 0.01
    expected = []
    for image, counts in zip(scored.image[3:], scored.counts[3:], strict=True):
        rows, heavy = [image], [weights[0]]
        for said in each_vote(counts):
            row = np.full(CLASSES, (1 - with_majority) / (CLASSES - 1))
            row[said] = with_majority
            rows, heavy = [*rows, row], [*heavy, weights[1]]
        expected.append(np.average(rows, axis=0, weights=heavy))
    assert crowdlab(known, scored)[3:] == pytest.approx(np.array(expected))


def test_without_any_known_object_every_rule_still_judges(given):
    known, scored = given
    nothing = Known(
        evidence=Evidence(**{name: value[:0] for name, value in vars(known.evidence).items()}),
        labels=known.labels[:0],
        folds=known.folds[:0],
        prior=known.prior,
    )
    for rule in FUSIONS.values():
        posterior = rule(nothing, scored)
        assert np.isfinite(np.delete(posterior, 2, axis=0)).all()
    assert np.array_equal(
        fused(nothing, scored)[3:].argmax(axis=1), product(nothing, scored)[3:].argmax(axis=1)
    )


def test_votes_as_independent_evidence_are_too_sure():
    """Votes on one object share a cause, so that their product claims what they do not know."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 1200)
    lean = np.where(labels[:, None] == np.arange(2), 3.0, 1.5)
    image, shares = (np.array([random.dirichlet(row) for row in lean]) for _ in range(2))
    # With Dirichlet shares of (3, 1.5) or (1.5, 3) this is the class's exact probability.
    image, votes = (s**1.5 / (s**1.5).sum(axis=1, keepdims=True) for s in (image, shares))
    counts = np.array([random.multinomial(40, share) for share in shares]).astype(float)
    known, scored = (
        Evidence(image=image[r], votes=votes[r], weight=np.full(600, 40 / 43), counts=counts[r])
        for r in (slice(0, 600), slice(600, 1200))
    )
    taught = Known(
        evidence=known, labels=labels[:600], folds=np.arange(600) % 5, prior=np.array([0.5, 0.5])
    )
    alone = min(log_loss(scored.image, labels[600:]), log_loss(scored.votes, labels[600:]))
    assert log_loss(fused(taught, scored), labels[600:]) < alone
    assert log_loss(space_warps(taught, scored), labels[600:]) > 2 * alone


def make_cell(catalogue, folder):
    protocol = Protocol(folds=2)
    split = protocol.split(catalogue, protocol.fold_numbers(catalogue, 0), 0, 0)
    return Cell(
        truth=catalogue,
        split=split,
        seed=0,
        fold=1,
        stages=folder / "stages",
        hardware=Hardware(device="cpu", threads=1),
    )


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """The tiny survey without the image of its first object, and what is learned of it."""
    folder = tmp_path_factory.mktemp("fusions")
    written = write_survey(folder / "survey")
    sorted((written / "images").glob("*.png"))[0].unlink()
    catalogue = Catalogue.read(tiny_config(written, quick("default")))
    arms = select_arms(catalogue.config, ["fusion"])
    cell = make_cell(catalogue, folder)
    return cell, arms, {name: arm(make_cell(catalogue, folder)) for name, arm in arms.items()}


def test_the_group_holds_every_rule_and_its_parts_alone(survey):
    cell, arms, _ = survey
    assert list(arms) == ["default", "logistic", *FUSIONS, "fused_raw"]
    assert set(RULES) == set(FUSIONS)
    assert set(FUSIONS) | {"fused_raw"} <= set(ARM_NAMES)
    assert about_arm(arms["crowdlab"]).startswith("Image and votes, averaged by CROWDLAB")
    assert arms["fused_raw"].recipe.transfer.extra is False
    config = cell.truth.config
    plain = config.model_copy(
        update={"votes": [votes.model_copy(update={"extra": ()}) for votes in config.votes]}
    )
    assert "fused_raw" not in all_arms(plain)
    assert "fused" in all_arms(plain)


@pytest.mark.parametrize("name", [*FUSIONS, "fused_raw"])
def test_arms_judge_by_what_there_is(survey, name):
    cell, _, posteriors = survey
    found = posteriors[name]
    assert found.shape == (20, CLASSES)
    assert found.sum(axis=1) == pytest.approx(1)
    voted = cell.catalogue.has_votes[cell.scored]
    assert voted.tolist() == [True] * 16 + [False] * 4
    assert np.isnan(posteriors["default"][0]).all()
    if name != "fused_raw":  # whose networks learn from labels of their own
        assert found[~voted] == pytest.approx(posteriors["default"][~voted], abs=1e-6)
    assert not np.allclose(found[1:16], posteriors["default"][1:16], atol=1e-3)


def test_fused_in_fold_differs_only_in_what_it_is_fitted_to(survey):
    _, _, posteriors = survey
    assert posteriors["fused"][0] == pytest.approx(posteriors["fused_in_fold"][0])
    assert not np.allclose(posteriors["fused"][1:16], posteriors["fused_in_fold"][1:16], atol=1e-4)


def test_a_second_arm_trains_nothing_anew(survey):
    cell, arms, posteriors = survey
    before = {path: path.stat().st_mtime_ns for path in cell.stages.glob("*.safetensors")}
    assert before
    again = arms["gravity_spy"](make_cell(cell.truth, cell.stages.parent))
    assert again == pytest.approx(posteriors["gravity_spy"])
    assert before == {path: path.stat().st_mtime_ns for path in cell.stages.glob("*.safetensors")}


def test_votes_for_classes_are_counted(survey):
    cell, _, _ = survey
    counts = class_votes(cell.truth)
    votes = cell.truth.questions[0]
    counted, alone = votes.given == Given.COUNTS, votes.given == Given.LABEL
    assert (counted.sum(), alone.sum()) == (40, 4)
    answers = np.round(votes.fractions * votes.total[:, None])[:, : len(ANSWERS) - 1]
    assert counts[counted] == pytest.approx(answers[counted])
    assert counts[alone] == pytest.approx(np.eye(CLASSES)[truth()[alone]])
    assert not counts[~counted & ~alone].any()
