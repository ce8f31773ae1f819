"""What every stage is given, and how its result is kept and found again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from lightning_fabric import Fabric
from torch import Tensor, nn

from czsl.errors import writing
from czsl.files import fingerprint
from czsl.train.checkpoint import Tensors, load_tensors, save_tensors
from czsl.train.progress import Reporter, silent
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

    def for_fold(self, fold: int) -> Context:
        """Give the context of one fold."""
        return replace(self, fold=fold)

    def name(self, stage: str) -> str:
        """Name a stage for the progress, its fold counted from 1."""
        return stage if self.fold is None else f"{stage}, fold {self.fold + 1}"

    @property
    def fold_seed(self) -> int:
        """A seed of this fold's own."""
        return self.seed * 1000 + (0 if self.fold is None else self.fold + 1)

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
        hardware = f"{self.fabric.device} {self.fabric._precision.precision}"
        given = (self.images_fingerprint, self.view, self.fold_seed, hardware, *inputs)
        parts = [tensor_digest(part) if _is_tensors(part) else part for part in given]
        path = self.folder / f"{stage}-{fingerprint(parts)}.safetensors"
        checkpoint = path.with_name(f"{path.stem}.checkpoint.safetensors")
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        # Processes that need the same result wait for the first of them to make it.
        with FileLock(path.with_suffix(".lock")):
            if path.exists():
                return load_tensors(path)
            tensors, content = make(checkpoint)
            save_tensors(path, tensors, content)
            checkpoint.unlink(missing_ok=True)
        return tensors, content


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
