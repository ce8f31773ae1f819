from dataclasses import dataclass

import numpy as np
import pytest

from czsl.simulate.galaxies import Galaxy, draw_galaxy
from czsl.simulate.universe import CLASSES, Universe


@dataclass(frozen=True)
class Drawn:
    """A sample of drawn galaxies, as the crowd needs them; arrays of shape (object,)."""

    kind: np.ndarray
    detail: np.ndarray
    axis_ratio: np.ndarray
    galaxies: list[Galaxy]


@pytest.fixture(scope="session")
def drawn():
    universe = Universe()
    rng = np.random.default_rng(11)
    kind = rng.choice(len(CLASSES), size=240, p=universe.shares)
    galaxies = [draw_galaxy(CLASSES[index], rng, universe) for index in kind]
    return Drawn(
        kind=kind,
        detail=np.array([galaxy.detail for galaxy in galaxies]),
        axis_ratio=np.array([galaxy.axis_ratio for galaxy in galaxies]),
        galaxies=galaxies,
    )
