"""The bits of the flags never change: catalogues outlive the version that wrote them."""

from hypothesis import given
from hypothesis import strategies as st

from czsl.flags import MEANING, UNUSABLE_IMAGE, Flag, describe

FROZEN = {
    "IMAGE_MISSING": 1,
    "IMAGE_EMPTY": 2,
    "IMAGE_UNREADABLE": 4,
    "IMAGE_TOO_LARGE": 8,
    "IMAGE_BLANK": 16,
    "NO_VOTES": 32,
    "FEW_VOTES": 64,
    "VOLUNTEERS_SPLIT": 128,
    "IMAGE_VOTES_DISAGREE": 256,
    "UNLIKE_TRAINING": 512,
    "EDGE_OF_FRAME": 1024,
    "DUPLICATE": 2048,
    "TRAINED_ON": 4096,
}


def test_no_bit_has_changed():
    assert {flag.name: flag.value for flag in Flag} == FROZEN


def test_every_flag_has_a_bit_of_its_own_and_a_meaning():
    for place, flag in enumerate(Flag):
        assert flag.value == 2**place
        assert len(MEANING[flag]) > 10
    assert len(MEANING) == len(Flag)


def test_an_image_without_flags_of_images_is_usable():
    assert UNUSABLE_IMAGE.value == 31
    assert not (Flag.NO_VOTES | Flag.EDGE_OF_FRAME | Flag.UNLIKE_TRAINING) & UNUSABLE_IMAGE


@given(st.sets(st.sampled_from(list(Flag))))
def test_flags_are_named_from_their_sum(flags):
    told = describe(sum(flag.value for flag in flags))
    assert told == [flag.name.lower() for flag in Flag if flag in flags]
