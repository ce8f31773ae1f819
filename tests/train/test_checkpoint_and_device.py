"""Files of tensors, and where networks run."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from czsl.errors import ArgumentError, RunError, WriteError
from czsl.train.checkpoint import (
    load_tensors,
    optimiser_tensors,
    prefixed,
    restore_optimiser,
    save_tensors,
    without_prefix,
)
from czsl.train.device import make_fabric, side_by_side


def test_tensors_and_content_come_back(tmp_path):
    tensors = {"a": torch.rand(3, 4).t(), "n": torch.tensor(7), "none": torch.zeros(0, 2)}
    path = tmp_path / "deep" / "a.safetensors"
    save_tensors(path, tensors, {"epochs": [1, None]})
    found, content = load_tensors(path)
    assert content == {"epochs": [1, None]}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert [one.name for one in path.parent.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "foreign", "not ours", "empty"])
def test_a_damaged_file_is_told_and_not_loaded(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"a": torch.rand(100)}, {})
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    if damage == "foreign":
        path.write_bytes(b"PK\x03\x04 a zip of pickles")
    if damage == "not ours":
        save_file({"a": torch.rand(1)}, path)
    if damage == "empty":
        path.write_bytes(b"")
    with pytest.raises(RunError, match=r"a\.safetensors: is not whole or not ours .*; delete it"):
        load_tensors(path)


def test_a_tensor_may_have_two_names(tmp_path):
    """As a module has that cuts the last layer off another one."""
    whole = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    cut = nn.ModuleDict({"whole": whole, "cut": nn.Sequential(whole[0])})
    save_tensors(tmp_path / "a.safetensors", cut.state_dict(), {})
    found, _ = load_tensors(tmp_path / "a.safetensors")
    assert set(found) == set(cut.state_dict())
    torch.testing.assert_close(found["cut.0.weight"], whole[0].weight)


def test_a_file_that_cannot_be_written_names_its_path(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="file/a: cannot be written"):
        save_tensors(tmp_path / "file" / "a", {}, {})


def test_prefixes_are_put_on_and_taken_off():
    named = {**prefixed("a", {"x": torch.zeros(1)}), **prefixed("ab", {"x": torch.ones(1)})}
    assert set(named) == {"a.x", "ab.x"}
    assert without_prefix("a", named)["x"].item() == 0


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_an_optimiser_goes_on_as_if_never_stopped(kind):
    def steps(weight, optimiser, count):
        for step in range(count):
            weight.grad = torch.full_like(weight, 0.1 + step)
            optimiser.step()

    weight = torch.ones(3)
    optimiser = kind([weight], lr=0.1)
    steps(weight, optimiser, 2)
    copy = weight.clone()
    resumed = kind([copy], lr=0.1)
    kept = {name: tensor.clone() for name, tensor in optimiser_tensors(optimiser).items()}
    restore_optimiser(resumed, kept)
    steps(weight, optimiser, 3)
    steps(copy, resumed, 3)
    assert torch.equal(weight, copy)


def test_an_optimisers_state_is_laid_out_as_its_parameters():
    """A fused step walks through memory: another layout would mix up the weights' moments."""
    weight = torch.rand(4, 3, 2, 2).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW([weight], lr=0.1, fused=True)
    weight.grad = torch.rand_like(weight)
    optimiser.step()
    kept = {name: one.clone().contiguous() for name, one in optimiser_tensors(optimiser).items()}
    restore_optimiser(optimiser, kept)
    moments = optimiser.state_dict()["state"][0]
    assert moments["exp_avg"].stride() == weight.stride()
    assert torch.equal(moments["exp_avg"], kept["0.exp_avg"])


def test_content_is_json_and_nothing_else(tmp_path):
    save_tensors(tmp_path / "a", {}, {"step": 3})
    blob = (tmp_path / "a").read_bytes()
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    assert json.loads(header["__metadata__"]["czsl"]) == {"step": 3}


CPU = torch.device("cpu")


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(("parts", "each"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_parts_share_the_threads_and_keep_their_order(parts, each):
    found = side_by_side(lambda part: (part, torch.get_num_threads()), range(parts), CPU)
    assert found == [(part, each) for part in range(parts)]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_what_fails_beside_others_is_raised_and_the_threads_come_back():
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        side_by_side(lambda part: 1 / part, [1, 0, 2], CPU)
    assert torch.get_num_threads() == 4


def test_threads_are_set():
    make_fabric("cpu", threads=1)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("device", ["abacus", "cuda:x", "cpu:1", "cpu:", ""])
def test_a_device_that_is_not_there_is_named_with_those_that_are(device):
    with pytest.raises(ArgumentError, match=f"device = '{device}': this machine has .*cpu"):
        make_fabric(device)
