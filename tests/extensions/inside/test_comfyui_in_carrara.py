"""The same folder as a pack of our own engine: what it gives a host runs here too, under the same ids."""

from __future__ import annotations

from pathlib import Path

import torch

from carrara.engine import Engine

ROOT = Path(__file__).resolve().parents[3]


def graph(prefix: str) -> dict[str, dict[str, object]]:
    """A picture, by nodes of that prefix."""
    run = {"seed": 1, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    links = {"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0]}
    nodes: dict[str, tuple[str, dict[str, object]]] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "a cat", "clip": ["1", 1]}),
        "3": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        "4": ("KSampler", {**links, **run}),
        "5": ("VAEDecode", {"samples": ["4", 0], "vae": ["1", 2]}),
        "6": ("SaveImage", {"images": ["5", 0], "filename_prefix": "a"}),
    }
    return {id: {"class_type": prefix + kind, "inputs": inputs} for id, (kind, inputs) in nodes.items()}


def test_our_own_folder_is_a_pack_like_any_other(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "custom_nodes").mkdir()
    (tmp_path / "custom_nodes" / "carrara-main").symlink_to(ROOT, target_is_directory=True)
    with Engine(
        [tiny], custom_nodes=[tmp_path / "custom_nodes"], output_dir=tmp_path / "out", cache="off", device="cpu"
    ) as engine:
        (pack,) = engine.packs
        # All others are known here by those ids.
        more = {"CarraraRunWorkflow", "CarraraVAEForOtherNodes", "CarraraGathered"}
        assert pack.reason == "" and {spec.id for spec in pack.nodes} == more
        theirs, ours = engine.run(graph("Carrara")), engine.run(graph(""))
        assert torch.equal(theirs.values["5"][0], ours.values["5"][0])
        assert [file.parent for file in theirs.files] == [tmp_path / "out"]
