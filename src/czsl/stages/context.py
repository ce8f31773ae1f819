"""What every stage is given, and how its result is kept and found again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn

from czsl.errors import RunError, writing
from czsl.files import fingerprint
from czsl.locks import locked_in_turn
from czsl.train.checkpoint import Tensors, load_tensors, save_tensors
from czsl.train.feed import Resident
from czsl.train.helpers import Helpers
from czsl.train.progress import Reporter, silent
from czsl.train.ranks import ALONE, Ranks
from czsl.train.samples import Images


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """What every stage is given besides its data.

    Parameters
    ----------
    images
        Gives the images by row.
    images_fingerprint
        Changes when the images do.
    channels, view
        Channels of the images, and side (pixels) of their central square that networks see.
    folder
        Where stages keep their results.
    fabric
        Device and precision.
    seed
        Seed of everything random.
    encoder
        The module that networks stand on; None for networks of our own.
    fold
        Fold that the stage belongs to; None where it serves all folds.
    report
        Listener of the progress.
    ranks
        The processes that fit together; every stage is entered by all of them.
    resident
        Images that are held on the device; None where none are.
    helpers
        Processes that train in place of this one; None where it trains itself.
    """

    images: Images
    images_fingerprint: str
    channels: int
    view: int
    folder: Path
    fabric: Fabric
    seed: int
    encoder: nn.Module | None = None
    fold: int | None = None
    report: Reporter = silent
    ranks: Ranks = ALONE
    resident: Resident | None = None
    helpers: Helpers | None = None

    def for_fold(self, fold: int) -> Context:
        """Give the context of one fold."""
        return replace(self, fold=fold)

    def name(self, stage: str) -> str:
        """Name a stage for the progress, its fold counted from 1."""
        return stage if self.fold is None else f"{stage}, fold {self.fold + 1}"

    @property
    def fold_seed(self) -> int:
        """A seed of this fold's own."""
        fold = 0 if self.fold is None else self.fold + 1
        return (self.seed * 1000 + fold) % 2**32  # scikit-learn takes no more

    def kept(
        self,
        stage: str,
        inputs: list[Any],
        make: Callable[[Path], tuple[Tensors, dict[str, Any]]],
    ) -> tuple[Tensors, dict[str, Any]]:
        """Give a stage's result: from disk where its inputs are the same, else made and kept.

        Parameters
        ----------
        stage
            Name of the stage.
        inputs
            Everything that the result depends on: what JSON can say, and mappings of
            tensors.
        make
            Makes the result; is given a path for its checkpoint.

        Returns
        -------
        dict of Tensor, dict
            The result's tensors and what JSON can say of it.
        """
        hardware = f"{self.fabric.device.type} {self.fabric._precision.precision}"
        given = (self.images_fingerprint, self.view, self.fold_seed, hardware, *inputs)
        parts = [tensor_digest(part) if _is_tensors(part) else part for part in given]
        path = self.folder / f"{stage}-{fingerprint(parts)}.safetensors"
        with self.ranks.watched(self.name(stage)):
            self._check_agreement(stage, path.name)
            if self.ranks.leads:
                # Other fits that need the same result wait for the first of them to make it. Of
                # this fit's processes one holds the lock: the others wait for its word.
                with writing(self.folder):
                    self.folder.mkdir(parents=True, exist_ok=True)
                with locked_in_turn(path.with_suffix(".lock")):
                    return self._found_or_made(path, make)
            return self._found_or_made(path, make)

    def _found_or_made(
        self, path: Path, make: Callable[[Path], tuple[Tensors, dict[str, Any]]]
    ) -> tuple[Tensors, dict[str, Any]]:
        """Give what the first process finds on disk, else make it; the first process keeps it."""
        found = self.ranks.told(lambda: load_tensors(path) if path.exists() else None)
        if found is not None:
            return found
        checkpoint = path.with_name(f"{path.stem}.checkpoint.safetensors")
        tensors, content = make(checkpoint)
        if self.ranks.count > 1:
            # What a user's module keeps of each process's share alone would make them differ.
            made = {name: tensor.detach().cpu() for name, tensor in tensors.items()}, content
            tensors, content = self.ranks.told(lambda: made)
        if self.ranks.leads:
            save_tensors(path, tensors, content)
            checkpoint.unlink(missing_ok=True)
        return tensors, content

    def _check_agreement(self, stage: str, name: str) -> None:
        """Refuse processes that start a stage from different numbers."""
        if self.ranks.told(lambda: name) != name:
            raise RunError(
                f"{self.name(stage)}: process {self.ranks.rank + 1} starts from other numbers than "
                "the first one; run the same versions, on processors and GPUs of one kind, on all "
                "machines"
            )


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hash the names, types, shapes and values of tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()


def _is_tensors(part: Any) -> bool:
    """Tell whether a part of the inputs is a mapping of tensors."""
    return isinstance(part, Mapping) and all(isinstance(item, Tensor) for item in part.values())
