"""Encoders with weights from a local folder or a model hub, through ``transformers``.

No code of the folder or the hub is run, and no pickle is read: the architecture has to be
one that ``transformers`` knows, and the weights have to be safetensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from torch import nn

from czsl.errors import ArgumentError, ConfigError, ModelError, require_extra

EXTRA = "encoders"

HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def load_pretrained(name: str) -> nn.Module:
    """Load an encoder with its weights.

    Parameters
    ----------
    name
        A folder, or a name on the hub, as ``"facebook/convnextv2-nano-22k-224"``; nothing
        is fetched for a folder.

    Returns
    -------
    Module
        Keeps the mean and deviation of the channels that it was trained with, if it says
        so, in its attribute ``pretrained_cfg``.

    Raises
    ------
    MissingExtraError
        Where transformers is not installed.
    ConfigError
        Where it is not found, is of a kind that is not known, or has no safetensors.
    """
    transformers = require_extra("transformers", EXTRA)
    local = Path(name).is_dir()
    if not local and HUB_NAME.fullmatch(name) is None:
        raise ConfigError(
            f"[recipe] encoder = {name!r}: there is no such folder, and a name on the hub is "
            "'owner/name'; a folder is taken from where the command is run"
        )
    with _silent(transformers):
        return _loaded(transformers, name, local)


def _loaded(transformers: ModuleType, name: str, local: bool) -> nn.Module:
    """Load weights and scaling."""
    try:
        module, told_of = transformers.AutoModel.from_pretrained(
            name,
            local_files_only=local,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        told = " ".join(str(error).split())
        raise ConfigError(
            f"[recipe] encoder = {name!r}: cannot be loaded ({told}); give a folder with "
            "config.json and model.safetensors, or a name on the hub"
        ) from error
    # What is missing was drawn at random; poolers of tokens are not used.
    missing = sorted(one for one in told_of["missing_keys"] if "pooler" not in one)
    if missing:
        raise ConfigError(
            f"[recipe] encoder = {name!r}: it lacks {len(missing)} of the encoder's weights, first "
            f"{missing[0]!r}; give the folder that it was saved to as a whole"
        )
    module.pretrained_cfg = _scaling(name, local)
    return cast(nn.Module, module)


def encoder_json(module: nn.Module) -> str:
    """Write down an encoder of transformers, without its weights, as JSON."""
    config: Any = module.config
    scaling = getattr(module, "pretrained_cfg", {})
    return json.dumps({"config": config.to_dict(), "scaling": scaling}, sort_keys=True)


def encoder_from_json(text: str) -> nn.Module:
    """Make the encoder that :func:`encoder_json` wrote down, its weights at random.

    Raises
    ------
    MissingExtraError
        Where transformers is not installed.
    ModelError
        Where this version of transformers does not know it.
    """
    transformers = require_extra("transformers", EXTRA)
    try:
        content = json.loads(text)
        settings = dict(content["config"])
        kind = settings.pop("model_type")
        config = transformers.AutoConfig.for_model(kind, **settings)
        module: nn.Module = transformers.AutoModel.from_config(config, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, ImportError) as error:
        told = " ".join(str(error).split())
        raise ModelError(
            f"the model's encoder cannot be made by transformers {transformers.__version__} "
            f"({told}); install the version that it was trained with"
        ) from error
    module.pretrained_cfg = content["scaling"]
    return module


def _scaling(name: str, local: bool) -> dict[str, list[float]]:
    """Read the mean and deviation of the channels, if the folder says so."""
    processing = require_extra("transformers.image_processing_base", EXTRA)
    try:
        found, _ = processing.ImageProcessingMixin.get_image_processor_dict(
            name, local_files_only=local
        )
    except (OSError, ValueError):  # it says nothing of its images
        return {}
    if not found.get("do_normalize", True):
        return {}
    pairs = {"mean": found.get("image_mean"), "std": found.get("image_std")}
    return {key: [float(one) for one in value] for key, value in pairs.items() if value}


@contextmanager
def _silent(transformers: ModuleType) -> Iterator[None]:
    """Keep transformers from writing to the terminal: progress, and weights that it left out."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def open_encoder(kind: str, name: str | None, given: nn.Module | None) -> nn.Module | None:
    """Give the module that a recipe's network stands on.

    Parameters
    ----------
    kind
        The recipe's ``network``.
    name
        The recipe's ``encoder``.
    given
        What was given from Python.

    Returns
    -------
    Module or None
        None for networks of our own.

    Raises
    ------
    ArgumentError
        Where the recipe needs a module from Python and none is given.
    MissingExtraError, ConfigError
        As :func:`load_pretrained`.

    Examples
    --------
    >>> open_encoder("residual", None, None) is None
    True
    """
    if kind == "given" and given is None:
        raise ArgumentError(
            "network = 'given' in [recipe] stands for a torch module, and none is given; fit from "
            "Python: CzSL(encoder=module)"
        )
    if kind == "pretrained":
        return load_pretrained(name or "")
    return given if kind == "given" else None
