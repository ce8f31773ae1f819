"""What this machine gives to this process."""

from __future__ import annotations

import os


def cores() -> int:
    """Count the cores that this process may use, or all where the system does not say.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
