"""A fit without experts where volunteers were asked along a tree of questions."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from czsl.catalogue import Catalogue, majority_class
from czsl.config import make_config
from tiny import draw, quick, tiny_model, truth


def write_tree(folder: Path) -> Path:
    """Write blobs, smooth to 23 of 40 volunteers, and spirals; who sees arms sees them wind."""
    random = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    with (folder / "objects.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "n_smooth", "n_arms", "n_cw", "n_acw", "expert"])
        for index, kind in enumerate(truth()):
            Image.fromarray(draw(int(kind), random)).save(folder / "images" / f"{index}.png")
            smooth = 2 if kind else 23
            arms = 40 - smooth
            wound = round(0.95 * arms)
            writer.writerow([index, smooth, arms, wound, arms - wound, ""])
    return folder


def test_a_network_without_experts_says_what_the_majority_of_the_tree_says(tmp_path):
    content = {
        "catalogue": {"table": "objects.csv", "id": "id", "images": "images/{id}.png"},
        "votes": [
            {"question": "shape", "answers": {"smooth": "n_smooth", "arms": "n_arms"}},
            {"question": "sense", "after": "arms", "answers": {"cw": "n_cw", "acw": "n_acw"}},
        ],
        "classes": {
            "column": "expert",
            "values": {"round": "r", "cw": "c", "acw": "a"},
            "from_answers": {"round": ["smooth"], "cw": ["cw"], "acw": ["acw"]},
        },
        "images": {"size": 32, "view": 24},
    }
    recipe = quick("default", pretrain={"epochs": 30, "held_out": 0.0}, width=8)
    config = make_config(content, folder=write_tree(tmp_path)).model_copy(update={"recipe": recipe})
    catalogue = Catalogue.read(config)
    majority = majority_class(catalogue)
    assert majority.tolist() == np.where(truth() == 0, 0, 1).tolist()
    found = tiny_model(seed=0).fit(catalogue).predict(catalogue)
    said = np.array([catalogue.classes.index(name) for name in found["class"]])
    np.testing.assert_array_equal(said, majority)
    # 23 of 40 smooth; 17 of 40 arms, of which 16 wind one way
    blobs = np.asarray(found["p_round"])[truth() == 0]
    assert abs(blobs.mean() - 23 / 40) < 0.1
