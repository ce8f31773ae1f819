"""Learn from experts, volunteers and unlabelled images at once.

The names below are loaded when they are first used, so that ``import czsl`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from czsl.catalogue import Catalogue
    from czsl.model import CzSL

__version__ = "0.1.0"

__all__ = ["Catalogue", "CzSL", "__version__"]

_HOMES = {"Catalogue": "czsl.catalogue", "CzSL": "czsl.model"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'czsl' has no attribute {name!r}")
