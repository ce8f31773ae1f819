"""What is done with the objects of a table, wherever it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import pyarrow as pa
from lightning_fabric import Fabric

from czsl.catalogue import Catalogue
from czsl.config import Config
from czsl.images.decoder import Decoder
from czsl.predictions import predictions_table
from czsl.predictor import Predictor
from czsl.survey.assemble import with_identity
from czsl.verdicts import Judge

Some = tuple[int, list[Catalogue]]
"""Number of a part, and its objects."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What is done with every object, wherever it is done.

    Parameters
    ----------
    predictor
        The model.
    judge
        What decides.
    config
        How the table is read, and where images are.
    """

    predictor: Predictor
    judge: Judge
    config: Config

    def tables(
        self, catalogues: Iterable[Catalogue], decoder: Decoder
    ) -> Iterator[tuple[Catalogue, pa.Table]]:
        """Predict catalogues, one after another."""
        for catalogue, found in self.predictor.stream(catalogues, decoder):
            verdicts = self.judge.judge(found.best, found.source, catalogue.weights, catalogue.ids)
            table = predictions_table(catalogue, found, verdicts)
            yield catalogue, with_identity(table, catalogue, found)

    def on(self, fabric: Fabric) -> Work:
        """Give the same on a device."""
        return replace(self, predictor=replace(self.predictor, fabric=fabric))

    def without_device(self) -> Work:
        """Give the same to send to another process, which gives it a device of its own."""
        return self.on(cast(Fabric, None))
