"""The demo's universe: simulated galaxies, volunteers and experts."""

from czsl.simulate.galaxies import draw_galaxies
from czsl.simulate.survey import simulate_survey
from czsl.simulate.universe import Universe

__all__ = ["Universe", "draw_galaxies", "simulate_survey"]
