"""A saved workflow as one node of a host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from host import call
from pairs import ROOT


def test_a_saved_workflow_is_one_node(world: Any, tmp_path: Path) -> None:
    from carrara.engine import Engine

    images, report = call(world, "CarraraRunWorkflow", workflow="hello.json", changes="3.seed = 5\nKSampler.steps = 3")
    with Engine(output_dir=tmp_path, cache="off", device="cpu") as engine:
        expected = engine.run(ROOT / "workflows" / "hello.json", {"3.seed": 5, "KSampler.steps": 3}, targets=["8"])
        assert torch.equal(images[0], expected.values["8"][0])
    assert world.nodes.NODE_CLASS_MAPPINGS["CarraraRunWorkflow"].OUTPUT_IS_LIST == (True, False)
    assert json.loads(report)["files"] == [] and len(images) == 1
    assert not list(Path(world.folder_paths.get_output_directory()).glob("hello*"))


TURN = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "nothing.png"}, "_meta": {"title": "Mine"}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "turned"}},
    "4": {"class_type": "MaskToImage", "inputs": {"mask": ["1", 1]}},
    "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
}


def test_pictures_go_in_and_come_out_exactly(world: Any) -> None:
    image, mask = torch.rand(2, 8, 8, 3), torch.rand(2, 8, 8)
    how = {"workflow": json.dumps(TURN), "image": image, "mask": mask}
    (turned, shown), _ = call(world, "CarraraRunWorkflow", **how)
    assert torch.equal(turned, 1.0 - image) and torch.equal(shown[..., 0], mask)
    again, report = call(world, "CarraraRunWorkflow", **how, image_node="Mine", save_files=True)
    assert torch.equal(again[0], turned)
    assert [Path(file).name for file in json.loads(report)["files"]][:2] == ["turned_00001_.png", "turned_00002_.png"]


def test_workflows_that_cannot_run_say_why(world: Any) -> None:
    kind = world.nodes.NODE_CLASS_MAPPINGS["CarraraRunWorkflow"]
    assert "no such workflow" in kind.VALIDATE_INPUTS(workflow="nothing.json")
    assert "outside" in kind.VALIDATE_INPUTS(workflow="../../secret.json")
    assert "no JSON" in kind.VALIDATE_INPUTS(workflow="{")
    assert kind.VALIDATE_INPUTS(workflow="hello") is True and kind.VALIDATE_INPUTS(workflow=json.dumps(TURN)) is True
    assert kind.IS_CHANGED(workflow="hello") == kind.IS_CHANGED(workflow="hello.json")
    with pytest.raises(Exception, match="nothing"):
        call(world, "CarraraRunWorkflow", workflow=json.dumps(TURN))
    with pytest.raises(Exception, match="where the picture goes"):
        call(world, "CarraraRunWorkflow", workflow="hello.json", image=torch.rand(1, 8, 8, 3))
    with pytest.raises(Exception, match="changes nothing"):
        call(world, "CarraraRunWorkflow", workflow="hello.json", changes="3.seed: 5")


def test_a_workflow_stops_with_the_host(world: Any) -> None:
    management = world.comfy.model_management
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        call(world, "CarraraRunWorkflow", workflow="hello.json", changes="KSampler.steps = 2\n3.seed = 99")
    assert not management.processing_interrupted()
