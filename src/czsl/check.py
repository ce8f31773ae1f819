"""Read everything, train nothing: what ``czsl check`` tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from czsl.catalogue import Catalogue
from czsl.catalogue.summary import summarise
from czsl.errors import CzslError
from czsl.images.inspect import summary
from czsl.imaging import open_images


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found.

    Attributes
    ----------
    catalogue
        Tiers, answers, classes, volunteers against experts; empty where the table cannot
        be used.
    images
        How many are usable, what is wrong with the others, their sizes; empty where they
        were not read.
    warnings
        What the user should know.
    problems
        What must be mended before a fit.
    """

    catalogue: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Give everything ready for JSON; ``ok`` where nothing must be mended."""
        return {
            "ok": not self.problems,
            "catalogue": self.catalogue,
            "images": self.images,
            "warnings": list(self.warnings),
            "problems": list(self.problems),
        }


def check(
    source: str | Path,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Read a configuration, its table and all of its images.

    The images are decoded into the store, where a fit finds them.

    Parameters
    ----------
    source
        The configuration file, or its folder.
    processes
        How many processes decode; by default one for each processor.
    progress
        Called with the images done and those to do.
    """
    try:
        catalogue = Catalogue.read(source)
    except CzslError as error:
        return Checked(problems=(str(error),))
    found = summarise(catalogue).as_dict()
    warnings = tuple(str(warning) for warning in catalogue.warnings)
    try:
        images = open_images(catalogue, processes=processes, progress=progress)
    except CzslError as error:
        return Checked(catalogue=found, warnings=warnings, problems=(str(error),))
    return Checked(catalogue=found, images=summary(images), warnings=warnings)
