"""A survey on a server is predicted as one in a folder is."""

import pytest

from czsl.survey.predict import predict_table
from servers import put, unsteady
from tiny import quick, tiny_catalogue, tiny_model, write_survey


@pytest.mark.parametrize("protocol", ["unsteady", "file"])
def test_table_and_images_on_a_server(tmp_path, protocol):
    survey = write_survey(tmp_path / "survey")
    model = tiny_model(seed=1).fit(tiny_catalogue(survey, quick("czsl2023")))
    pattern = model.predictor.content.catalogue.images
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    base = f"file://{survey}" if protocol == "file" else "unsteady://survey"
    with unsteady():
        for path in survey.rglob("*"):
            if protocol == "unsteady" and path.is_file():
                put(f"{base}/{path.relative_to(survey)}", path.read_bytes())
        predict_table(model, survey / "objects.csv", here, processes=1)
        images = f"{base}/{pattern}"
        processes = 2 if protocol == "file" else 1
        done = predict_table(
            model, f"{base}/objects.csv", there, images=images, processes=processes
        )
    assert done.rows == 60
    assert there.read_text() == here.read_text()
