"""How long and how fast networks learn from classes."""

from czsl.recipes import CZSL2023, DEFAULT
from czsl.stages.finetune import from_scratch


def test_without_volunteers_a_network_is_trained_as_volunteers_would_have_trained_it():
    changed, pretrain = from_scratch(DEFAULT.finetune), DEFAULT.pretrain
    for name in ("images", "batch", "rate", "average"):
        assert getattr(changed, name) == getattr(pretrain, name), name
    assert changed.epochs >= 0.9 * pretrain.epochs
    assert not changed.freeze
    assert (changed.encoder_rate, changed.layer_decay) == (1, 1)


def test_the_published_method_trains_all_networks_alike():
    assert from_scratch(CZSL2023.finetune) == CZSL2023.finetune
