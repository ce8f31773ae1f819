"""What images look like to a model: to its first network, though that is read alone."""

from dataclasses import replace

import numpy as np

from czsl.imaging import open_images


def test_experts_images_look_as_the_whole_model_reads_them(fitted):
    model, catalogue = fitted
    predictor, images = model.predictor, open_images(catalogue, processes=1)
    experts = np.flatnonzero(catalogue.is_expert)
    assert len(predictor.networks) == 2
    expected = predictor.reader.read_stored(images, experts).features
    np.testing.assert_array_equal(predictor.record.features, expected)
    other = replace(predictor, networks=predictor.networks[1:]).reader
    different = other.read_stored(images, experts).features - expected
    assert np.abs(different).max() > 1e-3  # else the test says nothing
