"""The quality flags of a catalogue, in one registry.

A flag's bit never changes once released (a test freezes them): catalogues outlive the
version that wrote them.
"""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """What may be said against an object; the column ``flags`` holds their sum.

    Examples
    --------
    >>> Flag.IMAGE_BLANK.value
    16
    >>> describe(5)
    ['image_missing', 'image_unreadable']
    """

    IMAGE_MISSING = 1
    IMAGE_EMPTY = 2
    IMAGE_UNREADABLE = 4
    IMAGE_TOO_LARGE = 8
    IMAGE_BLANK = 16
    NO_VOTES = 32
    FEW_VOTES = 64
    VOLUNTEERS_SPLIT = 128
    IMAGE_VOTES_DISAGREE = 256
    UNLIKE_TRAINING = 512
    EDGE_OF_FRAME = 1024
    DUPLICATE = 2048
    TRAINED_ON = 4096


MEANING: dict[Flag, str] = {
    Flag.IMAGE_MISSING: "the catalogue names no image, or there is no such file",
    Flag.IMAGE_EMPTY: "the image file has no bytes",
    Flag.IMAGE_UNREADABLE: "the image file is truncated or not an image",
    Flag.IMAGE_TOO_LARGE: "the image has absurdly many pixels and was not decoded",
    Flag.IMAGE_BLANK: "every pixel has the same value, or none is finite",
    Flag.NO_VOTES: "no volunteer has voted on the object",
    Flag.FEW_VOTES: "fewer than 5 volunteers have voted on the object",
    Flag.VOLUNTEERS_SPLIT: "5 votes or more, or an unknown number, on the first question, and no "
    "answer has half of them",
    Flag.IMAGE_VOTES_DISAGREE: "draws from the posteriors of image and votes are of the same class "
    "less than 1 time in 5",
    Flag.UNLIKE_TRAINING: "the image is farther from those of the training than 199 in 200 of them",
    Flag.EDGE_OF_FRAME: "one to three sides of the cutout, 2 rows or 2% deep, have a single value: "
    "the frame of the survey ends there",
    Flag.DUPLICATE: "the same place within 1 arcsecond, or the same image, as an earlier object",
    Flag.TRAINED_ON: "its votes or class taught the networks, so its image repeats them",
}

UNUSABLE_IMAGE = (
    Flag.IMAGE_MISSING
    | Flag.IMAGE_EMPTY
    | Flag.IMAGE_UNREADABLE
    | Flag.IMAGE_TOO_LARGE
    | Flag.IMAGE_BLANK
)
"""Flags of objects whose image neither trains nor is predicted from."""


def describe(flags: int) -> list[str]:
    """Name the flags that are set in a number of the column ``flags``.

    Examples
    --------
    >>> describe(0)
    []
    """
    return [str(flag.name).lower() for flag in Flag if flags & flag]
