"""Encoders of transformers, tiny and with random weights: from a folder, and without it."""

import json
import sys

import pytest
import torch

from czsl.errors import ArgumentError, ConfigError, MissingExtraError, ModelError
from czsl.nets.network import make_network
from czsl.nets.pretrained import (
    encoder_from_json,
    encoder_json,
    load_pretrained,
    open_encoder,
)

transformers = pytest.importorskip("transformers", reason="the extra 'encoders' is not installed")

TOKENS = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}
KINDS = {
    "convnext": lambda: transformers.ConvNextConfig(hidden_sizes=[4, 4, 8, 8], depths=[1, 1, 2, 1]),
    "resnet": lambda: transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 4, 8, 8], depths=[1, 1, 1, 1], layer_type="basic"
    ),
    "vit": lambda: transformers.ViTConfig(
        **TOKENS, intermediate_size=16, image_size=16, patch_size=8
    ),
}
SETTINGS = {"channels": 3, "size": 32, "width": 4, "questions": [2], "classes": 3, "seed": 0}
IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def save(folder, kind, **processing):
    """Write a tiny encoder as hubs do."""
    torch.manual_seed(0)
    module = transformers.AutoModel.from_config(KINDS[kind]())
    module.save_pretrained(folder)
    if processing:
        (folder / "preprocessor_config.json").write_text(json.dumps(processing))
    return module.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_a_folder_see_the_images(tmp_path, kind, capfd):
    module = save(tmp_path, kind)
    capfd.readouterr()
    loaded = load_pretrained(str(tmp_path))
    assert capfd.readouterr() == ("", "")
    network = make_network("pretrained", **SETTINGS, encoder=loaded).eval()
    seen = IMAGES
    if kind == "vit":  # it takes no other side
        seen = torch.nn.functional.interpolate(IMAGES, (16, 16), mode="bilinear", antialias=True)
    given = module(seen)
    tokens = given.last_hidden_state.ndim == 3
    expected = given.last_hidden_state.mean(1) if tokens else given.pooler_output.flatten(1)
    torch.testing.assert_close(network(IMAGES).features, expected)
    layers = network.encoder.layers
    names = [name for name, _ in network.encoder.named_parameters()]
    assert len(layers) >= 4
    assert all(any(name.startswith(f"{layer}.") for layer in layers) for name in names)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_is_made_again_from_text_and_weights(tmp_path, kind):
    save(tmp_path, kind, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4])
    encoder = load_pretrained(str(tmp_path))
    text, network = encoder_json(encoder), make_network("pretrained", **SETTINGS, encoder=encoder)
    for path in tmp_path.iterdir():
        path.unlink()
    again = make_network("pretrained", **SETTINGS, encoder=encoder_from_json(text))
    assert not torch.equal(again.eval()(IMAGES).features, network.eval()(IMAGES).features)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(IMAGES).features, network.eval()(IMAGES).features)
    assert encoder_json(encoder_from_json(text)) == text


def test_grey_levels_are_scaled_as_the_folder_says(tmp_path):
    save(tmp_path, "resnet", image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4])
    encoder = make_network("pretrained", **SETTINGS, encoder=load_pretrained(str(tmp_path))).encoder
    torch.testing.assert_close(encoder.mean.flatten(), torch.tensor([0.4, 0.5, 0.6]))
    torch.testing.assert_close(encoder.std.flatten(), torch.tensor([0.2, 0.3, 0.4]))
    save(tmp_path, "resnet", image_mean=[0.4] * 3, image_std=[0.2] * 3, do_normalize=False)
    encoder = make_network("pretrained", **SETTINGS, encoder=load_pretrained(str(tmp_path))).encoder
    assert not encoder.mean.any()
    assert (encoder.std == 1).all()


@pytest.mark.parametrize("name", ["/no/such/folder", "./encoder", "encoders/mine/best"])
def test_a_path_that_leads_nowhere_is_not_looked_for_on_the_hub(name):
    with pytest.raises(ConfigError, match=rf"encoder = '{name}': there is no such folder, and a"):
        load_pretrained(name)


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"encoder = '.*': cannot be loaded \(.*give a folder with"
    ):
        load_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "nothing_known"}')
    with pytest.raises(ConfigError, match="nothing_known"):
        load_pretrained(str(tmp_path))


def test_a_folder_that_lacks_weights_is_refused(tmp_path):
    """Transformers would draw what is missing at random; only a pooler may be."""
    from safetensors.torch import load_file, save_file

    save(tmp_path, "vit")
    weights = load_file(tmp_path / "model.safetensors")
    without = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(without, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert load_pretrained(str(tmp_path)) is not None
    without = {name: value for name, value in without.items() if "layernorm" not in name}
    save_file(without, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"it lacks 10 of the encoder's weights, first '.*norm"):
        load_pretrained(str(tmp_path))


def test_pickled_weights_and_code_of_a_folder_are_not_read(tmp_path):
    module = save(tmp_path, "resnet")
    (tmp_path / "model.safetensors").unlink()
    torch.save(module.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"cannot be loaded .* model\.safetensors"):
        load_pretrained(str(tmp_path))
    (tmp_path / "code.py").write_text("raise SystemExit('code was run')")
    config = {"model_type": "mine", "auto_map": {"AutoModel": "code.M", "AutoConfig": "code.C"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_pretrained(str(tmp_path))


@pytest.mark.parametrize("text", ["", "{}", '{"config": {"model_type": "nothing_known"}}'])
def test_text_that_makes_no_encoder(text):
    with pytest.raises(ModelError, match="encoder cannot be made by transformers"):
        encoder_from_json(text)


def test_without_transformers_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for make in (load_pretrained, encoder_from_json):
        with pytest.raises(MissingExtraError, match=r'pip install "czsl\[encoders\]"'):
            make(str(tmp_path))


def test_a_network_on_a_module_needs_the_module():
    with pytest.raises(ArgumentError, match=r"none is given; fit from Python: CzSL\(encoder=mod"):
        open_encoder("given", None, None)
    module = torch.nn.Identity()
    assert open_encoder("given", None, module) is module
    assert open_encoder("residual", None, None) is None
