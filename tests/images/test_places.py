"""Images that lie outside the configuration's folder."""

import os
import zipfile
from pathlib import Path

import pytest

from czsl.errors import ImageError
from czsl.images.places import Places
from czsl.images.source import open_source, refuse_outside


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    for name in ("survey/images", "survey/more", "elsewhere/deep"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.jpg").write_bytes(b"x")
    (tmp_path / "survey/link.jpg").symlink_to(tmp_path / "elsewhere/1.jpg")
    (tmp_path / "survey/gone.jpg").symlink_to(tmp_path / "elsewhere/none.jpg")
    (tmp_path / "survey/linked").symlink_to(tmp_path / "elsewhere/deep")
    (tmp_path / "survey/within.jpg").symlink_to(tmp_path / "survey/images/1.jpg")
    with zipfile.ZipFile(tmp_path / "survey/a.zip", "w") as archive:
        archive.writestr("../1.jpg", "x")
    with zipfile.ZipFile(tmp_path / "elsewhere/b.zip", "w") as archive:
        archive.writestr("1.jpg", "x")
    return tmp_path / "survey"


INSIDE = ["images/1.jpg", "images/../more/1.jpg", "within.jpg", "none/1.jpg", "a.zip/deep/1.jpg"]
OUTSIDE = {
    "../elsewhere/1.jpg": "elsewhere",
    "images/../../elsewhere/deep/1.jpg": "elsewhere/deep",
    "link.jpg": "elsewhere",
    "gone.jpg": "elsewhere",
    "linked/1.jpg": "elsewhere/deep",
    "..": "",
    "../elsewhere/b.zip/1.jpg": "elsewhere",
    "../none.h5[3]": "",
    "../none.parquet/image[3]": "",
}


@pytest.mark.parametrize("reference", INSIDE)
def test_inside(survey, reference):
    source = open_source("{file}", folder=survey)
    assert source.outside(reference) is None
    refuse_outside(source, [reference, ""])


@pytest.mark.parametrize("reference", OUTSIDE)
def test_outside(survey, reference):
    needed = (survey.parent / OUTSIDE[reference]).resolve()
    with pytest.raises(ImageError) as caught:
        refuse_outside(open_source("{file}", folder=survey), [reference])
    assert str(caught.value) == (
        f"1 image paths lead out of the configuration's folder, first {reference!r}; move the "
        f"images there, or allow where they are: [catalogue] roots = ['{needed}'] "
        "(of 'czsl predict' and 'czsl explain': --folder)"
    )
    allowed = open_source("{file}", folder=survey, roots=[str(needed)])
    refuse_outside(allowed, [reference])


def test_absolute_path_and_a_relative_root(survey):
    path = str(survey.parent / "elsewhere/deep/1.jpg")
    with pytest.raises(ImageError, match="lead out of"):
        refuse_outside(open_source("{file}", folder=survey), [path])
    refuse_outside(open_source("{file}", folder=survey, roots=["../elsewhere"]), [path])
    assert Places(folder=survey).outside(str(survey / "images/1.jpg")) is None


def test_a_folder_whose_name_begins_alike_is_not_inside(survey):
    other = survey.with_name("survey2")
    other.mkdir()
    assert Places(folder=survey).outside("../survey2/1.jpg") == str(other)


def test_all_of_many_are_counted_and_three_are_named(survey):
    references = [f"../elsewhere/{number}.jpg" for number in range(5)] + ["images/1.jpg"]
    with pytest.raises(ImageError, match=r"5 image paths .* '../elsewhere/2.jpg' …; move"):
        refuse_outside(open_source("{file}", folder=survey), references)


@pytest.mark.parametrize("member", ["../1.jpg", "/1.jpg", "deep/../../1.jpg", ".."])
def test_member_that_leads_out_of_its_archive_is_refused_whatever_is_allowed(survey, member):
    source = open_source("{file}", folder=survey, roots=["/"])
    with pytest.raises(ImageError, match=r"neither begins with '/' nor holds '\.\.'"):
        refuse_outside(source, [f"a.zip/{member}"])


def test_every_band_is_looked_at(survey):
    source = open_source("{file}", folder=survey)
    (survey / "1_r.fits").symlink_to(survey / "images/1.jpg")
    (survey / "1_g.fits").symlink_to(survey.parent / "elsewhere/1.jpg")
    with pytest.raises(ImageError, match=r"1 image paths .* first '1_g.fits'"):
        refuse_outside(source, ["1_{band}.fits"], bands=["r", "g"])


def test_bands_that_are_not_named(survey):
    with pytest.raises(ImageError, match=r"images holds \{band\}, and \[images\] names no bands"):
        refuse_outside(open_source("{file}", folder=survey), ["1_{band}.fits"])


def test_container_outside_is_refused_before_it_is_opened(survey):
    source = open_source("../elsewhere/b.zip", folder=survey)
    located = source.locate(["1", "2"], ["../elsewhere/b.zip"] * 2)
    with pytest.raises(ImageError, match=r"2 image paths lead out of"):
        refuse_outside(source, located)
    assert source.locate(["1", "2"], ["../elsewhere"] * 2) == ["../elsewhere"] * 2


def test_the_folder_may_itself_be_reached_by_a_link(survey):
    link = survey.with_name("by_link")
    os.symlink(survey, link)
    assert Places(folder=link).outside("images/1.jpg") is None


def test_folders_that_are_known_do_not_fill_the_memory(survey, monkeypatch):
    monkeypatch.setattr("czsl.images.places.KNOWN", 3)
    places = Places(folder=survey)
    for _ in range(2):
        for number in range(10):
            assert places.outside(f"{number}/1.jpg") is None
            assert places.outside(f"../{number}/1.jpg") == str(survey.parent / str(number))
            assert len(places._seen) <= 3
    assert places.outside("linked/1.jpg") == str(survey.parent / "elsewhere/deep")
