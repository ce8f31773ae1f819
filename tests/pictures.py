"""Small pictures that several tests read from files, archives, tables and servers."""

import io

import numpy as np
from PIL import Image


def pixels(seed: int) -> np.ndarray:
    """Draw the pixels of a picture, shape (9, 9, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)


def png(seed: int) -> bytes:
    """Give the same picture as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(seed)).save(buffer, "PNG")
    return buffer.getvalue()
