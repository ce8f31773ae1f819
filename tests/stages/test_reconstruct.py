"""Stage reconstruct: what its weights give back."""

import numpy as np
import torch
from torch.nn import functional

from czsl.nets.published import PublishedAutoencoder
from czsl.stages.reconstruct import reconstruct, reconstructed
from tiny import quick, tiny_catalogue, tiny_context, write_survey


def test_reconstructions_are_those_of_the_trained_network(tmp_path):
    survey = write_survey(tmp_path / "survey")
    catalogue = tiny_catalogue(survey, quick("czsl2023"))
    context, usable = tiny_context(catalogue, tmp_path)
    rows = np.flatnonzero(usable)[:32]
    settings = quick("czsl2023", reconstruct={"epochs": 1}).reconstruct
    assert settings is not None
    weights, _ = reconstruct(context, rows, settings)
    pixels = context.images.gather(rows[:5])
    shown = reconstructed(weights, pixels, context.view)
    assert shown.shape == (5, context.view, context.view, 3)
    assert shown.dtype == np.uint8

    network = PublishedAutoencoder(channels=3)
    network.load_state_dict(weights)
    margin = (pixels.shape[1] - context.view) // 2
    seen = pixels[:, margin:-margin, margin:-margin].transpose(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = functional.sigmoid(network(torch.from_numpy(seen).float())).numpy()
    assert np.abs(shown / 255 - expected.transpose(0, 2, 3, 1)).max() <= 0.5 / 255 + 1e-5
