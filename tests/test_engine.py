"""The engine as a library: typed results, pulled values, several engines, asynchronous runs, useful errors."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import pytest

import carrara
from carrara.executor import events


def picture(color: int = 0x336699) -> carrara.Graph:
    graph = carrara.Graph()
    image = graph.EmptyImage(width=32, height=16, batch_size=1, color=color)
    graph.SaveImage(images=graph.ImageInvert(image=image), filename_prefix="t")
    return graph


@pytest.fixture
def engine(tmp_path: Path) -> carrara.Engine:
    folders = {"output_dir": tmp_path / "out", "input_dir": tmp_path / "in", "cache": tmp_path / "cache"}
    return carrara.Engine(**folders, device="cpu")


def test_a_graph_runs_and_runs_again_for_nothing(engine: carrara.Engine) -> None:
    first = engine.run(picture())
    assert first.status == "done"
    assert set(first.executed) == {"1", "2", "3"}
    assert [f.exists() for f in first.images] == [True]
    assert first.outputs["3"]["images"][0]["type"] == "output"
    assert first.outputs["3"]["files"] == [str(f) for f in first.files]
    again = engine.run(picture())
    assert again.executed == ()
    assert again.files == first.files


def test_a_new_engine_finds_what_the_old_one_made(engine: carrara.Engine, tmp_path: Path) -> None:
    engine.run(picture())
    engine.close()
    other = carrara.Engine(output_dir=tmp_path / "out", cache=tmp_path / "cache", device="cpu")
    assert other.run(picture()).executed == ()


def test_a_deleted_picture_is_saved_again_and_nothing_else_runs(engine: carrara.Engine) -> None:
    first = engine.run(picture())
    first.files[0].unlink()
    again = engine.run(picture())
    assert again.executed == ("3",)
    assert again.files[0].exists()


def test_another_output_folder_gets_its_own_files(engine: carrara.Engine, tmp_path: Path) -> None:
    engine.run(picture())
    engine.close()
    other = carrara.Engine(output_dir=tmp_path / "elsewhere", cache=tmp_path / "cache", device="cpu")
    result = other.run(picture())
    assert "3" in result.executed
    assert result.files[0].parent == tmp_path / "elsewhere"


def test_values_of_any_node_are_pulled(engine: carrara.Engine) -> None:
    result = engine.run(picture(0xFF0000))
    (image,) = result.values["2"]
    assert image.shape == (1, 16, 32, 3)
    assert image[0, 0, 0].tolist() == [0.0, 1.0, 1.0]
    with pytest.raises(KeyError):
        result.values["99"]


@pytest.mark.parametrize("target", ["1.color", "EmptyImage.color"])
def test_overrides_by_id_or_class(engine: carrara.Engine, target: str) -> None:
    result = engine.run(picture(), {target: 0x00FF00})
    assert result.values["1"][0][0, 0, 0].tolist() == [0.0, 1.0, 0.0]


def test_an_override_of_nothing_says_what_is_there(engine: carrara.Engine) -> None:
    result = engine.attempt(picture(), {"7.color": 1})
    assert result.status == "invalid"
    assert "Ids here: 1, 2, 3" in result.problems[0].remedy


def test_all_problems_come_at_once(engine: carrara.Engine) -> None:
    api = picture().to_api()
    api["1"]["inputs"] |= {"width": -1, "height": "tall"}
    api["2"]["class_type"] = "ImageInvrt"
    problems = engine.check(api)
    assert {(p.node, p.input) for p in problems} >= {("2", "")}
    assert any("ImageInvert" in p.remedy for p in problems)
    api["2"]["class_type"] = "ImageInvert"
    assert {(p.node, p.input, p.type) for p in engine.check(api)} == {
        ("1", "width", "value_smaller_than_min"),
        ("1", "height", "invalid_input_type"),
    }
    with pytest.raises(carrara.GraphError) as raised:
        engine.run(api)
    assert len(raised.value.problems) == 2
    assert not (engine.files.output_dir).exists()


def test_own_nodes_join_the_catalogue(tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    @carrara.node("Dump", category="debug", output=True)
    def dump(value: carrara.Any, name: str) -> None:
        """Remember a value."""
        seen[name] = value

    @carrara.node("Twice", category="math")
    def twice(number: Annotated[int, "Any number."] = 1) -> int:
        """Double it."""
        return 2 * number

    graph = carrara.Graph(nodes=[dump, twice])
    graph.Dump(value=graph.Twice(number=21), name="answer")
    carrara.Engine(nodes=[dump, twice], cache="off").run(graph)
    assert seen == {"answer": 42}


def test_two_engines_do_not_meet(tmp_path: Path) -> None:
    @carrara.node("Who", category="t", output=True)
    def one() -> int:
        """One."""
        return 1

    @carrara.node("Who", category="t", output=True)
    def two() -> int:
        """Two."""
        return 2

    api = {"1": {"class_type": "Who", "inputs": {}}}
    first = carrara.Engine(nodes=[one], cache=tmp_path / "a", output_dir=tmp_path / "x")
    second = carrara.Engine(nodes=[two], cache=tmp_path / "b", output_dir=tmp_path / "y")
    assert [e.run(api).values["1"] for e in (first, second, first)] == [(1,), (2,), (1,)]


def test_a_failing_node_is_named_and_what_it_needed_stays(tmp_path: Path) -> None:
    @carrara.node("Break", category="t", output=True)
    def breaks(image: carrara.Image) -> None:
        """Fail."""
        raise ValueError("no")

    graph = carrara.Graph(nodes=[breaks])
    graph.Break(image=graph.EmptyImage(width=8, height=8, batch_size=1, color=1))
    engine = carrara.Engine(nodes=[breaks], cache="off", output_dir=tmp_path)
    with pytest.raises(carrara.NodeFailed, match=r"node 2 \(Break\) failed: ValueError: no") as raised:
        engine.run(graph)
    assert isinstance(raised.value.__cause__, ValueError)
    again = engine.attempt(graph)
    assert again.status == "failed"
    assert again.executed == ()


def test_await_and_events(engine: carrara.Engine) -> None:
    async def both() -> tuple[list[str], str]:
        running = engine.arun(picture(5))
        names = [type(event).__name__ async for event in running]
        return names, (await running).status

    names, status = asyncio.run(both())
    assert status == "done"
    assert names[0] == "RunStarted"
    assert names[-1] == "RunFinished"
    assert names.count("NodeFinished") == 3


def test_cancelling_the_task_stops_the_run(tmp_path: Path) -> None:
    started = []

    @carrara.node("Forever", category="t", output=True, pure=False)
    def forever(ctx: carrara.Context) -> None:
        """Never ends by itself."""
        started.append(True)
        while True:
            ctx.progress(1, 2)

    engine = carrara.Engine(nodes=[forever], cache="off", output_dir=tmp_path)

    async def scenario() -> str:
        running = engine.arun({"1": {"class_type": "Forever", "inputs": {}}})
        async for event in running:
            if isinstance(event, events.NodeProgress):
                running.cancel()
        try:
            await running
        except carrara.Interrupted:
            return "interrupted"
        return "ran on"

    assert asyncio.run(scenario()) == "interrupted"
    assert started


def test_the_builder_writes_what_the_reader_reads(engine: carrara.Engine, tmp_path: Path) -> None:
    path = picture().save(tmp_path / "w.json")
    assert json.loads(path.read_text()) == picture().to_api()
    assert engine.run(path).status == "done"


def test_the_builder_picks_outputs_by_type_and_refuses_guesses() -> None:
    graph = carrara.Graph()
    loaded = graph.LoadImage(image="x.png")
    picture_taker, mask_taker = graph.ImageInvert(image=loaded), graph.InvertMask(mask=loaded)
    assert graph.to_api()[picture_taker.id]["inputs"]["image"] == [loaded.id, 0]
    assert graph.to_api()[mask_taker.id]["inputs"]["mask"] == [loaded.id, 1]
    with pytest.raises(carrara.CarraraError, match="Did you mean ImageInvert"):
        graph.ImageInvrt(image=loaded)
    with pytest.raises(carrara.CarraraError, match="no input picture"):
        graph.ImageInvert(picture=loaded)
