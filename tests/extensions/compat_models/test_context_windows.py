"""Long latents in windows, as packs ask for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from patched_world import World

from carrara.models.values import Latent

LONG = Latent(torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(7)))
NAMES = ("standard_static", "standard_uniform", "looped_uniform", "batched")


def lists(world: World, name: str, total: int, **said: Any) -> list[list[int]]:
    windows = world.host.modules.load("comfy.context_windows")
    about = {"context_length": 4, "context_overlap": 1, "context_stride": 1, "closed_loop": False, "_step": 0} | said
    found: list[list[int]] = windows.get_matching_context_schedule(name).func(total, SimpleNamespace(**about), {})
    return found


def test_where_windows_lie(world: World) -> None:
    """By hand; the last one is moved back, cut short, or goes round."""
    whole = [list(range(3))]
    assert all(lists(world, name, 3) == whole for name in NAMES)
    assert lists(world, "standard_static", 9) == [[0, 1, 2, 3], [3, 4, 5, 6], [5, 6, 7, 8]]
    assert lists(world, "batched", 9) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert lists(world, "looped_uniform", 6, closed_loop=True) == [[0, 1, 2, 3], [3, 4, 5, 0]]
    assert lists(world, "looped_uniform", 8, _step=1) == [[4, 5, 6, 7], [7, 0, 1, 2], [2, 3, 4, 5]]
    assert lists(world, "standard_uniform", 8, _step=1) == [[4, 5, 6, 7], [0, 1, 2, 3], [2, 3, 4, 5]]
    assert lists(world, "looped_uniform", 8, context_stride=2)[-1] == [0, 2, 4, 6]


def test_what_places_weigh(world: World) -> None:
    windows = world.host.modules.load("comfy.context_windows")
    weigh = {name: windows.get_matching_fuse_method(name).func for name in ("flat", "pyramid", "overlap-linear")}
    said = {"handler": SimpleNamespace(context_overlap=2), "full_length": 9, "sigma": None}
    assert weigh["flat"](3, idxs=[0, 1, 2], **said) == [1.0] * 3
    assert weigh["pyramid"](5, idxs=[0], **said) == [1, 2, 3, 2, 1] and weigh["pyramid"](4, **said) == [1, 2, 2, 1]
    assert weigh["overlap-linear"](4, idxs=[0, 1, 2, 3], **said).tolist() == [1, 1, 1, pytest.approx(0)]


@pytest.mark.parametrize("fuse", ["pyramid", "relative", "flat", "overlap-linear"])
@pytest.mark.parametrize("schedule", NAMES)
def test_windows_over_a_batch_change_nothing(world: World, schedule: str, fuse: str) -> None:
    """The pictures of a batch know nothing of each other, so any blend of windows is the batch itself."""
    windows = world.host.modules.load("comfy.context_windows")
    patcher = world.out(world.model).clone()
    told: list[list[int]] = []
    handler = windows.IndexListContextHandler(
        windows.get_matching_context_schedule(schedule), windows.get_matching_fuse_method(fuse),
        context_length=3, context_overlap=1,
    )  # fmt: skip
    world.host.modules.load("comfy.patcher_extension").add_callback(
        windows.IndexListCallbacks.EVALUATE_CONTEXT_WINDOWS,
        lambda *about: told.append(list(about[7].index_list)),
        handler.callbacks,
    )
    patcher.model_options["context_handler"] = handler
    windows.create_prepare_sampling_wrapper(patcher)
    made = world.sampled(world.host.border.inward(patcher, "MODEL"), LONG)
    expected = world.sampled(world.model, LONG)
    assert float((made - expected).abs().max() / expected.std()) < 1e-4
    assert told and all(len(window) <= 3 for window in told)


def test_a_handler_of_a_packs_own_and_windows_across_a_picture(world: World) -> None:
    """Flat windows along the width: the mean of what the network says of each part alone."""
    windows = world.host.modules.load("comfy.context_windows")
    samplers = world.host.modules.load("comfy.samplers")
    patcher = world.out(world.model).clone()
    seen: list[Any] = []

    class Handler(windows.IndexListContextHandler):  # type: ignore[misc, name-defined]
        def execute(self, whole: Any, model: Any, conds: Any, x: torch.Tensor, t: Any, options: Any) -> Any:
            found = super().execute(whole, model, conds, x, t, options)
            parts = [whole(model, conds, x[..., a : a + 6].contiguous(), t, options) for a in (0, 2)]
            seen.append((found, parts))
            return found

    static, flat = windows.get_matching_context_schedule("standard_static"), windows.get_matching_fuse_method("flat")
    patcher.model_options["context_handler"] = Handler(static, flat, context_length=6, context_overlap=4, dim=3)
    world.sampled(world.host.border.inward(patcher, "MODEL"))
    assert seen and samplers.calc_cond_batch is not None
    for found, (left, right) in seen:
        for whole, a, b in zip(found, left, right, strict=True):
            mean = (torch.nn.functional.pad(a, (0, 2)) + torch.nn.functional.pad(b, (2, 0))) / torch.tensor(
                [1.0, 1, 2, 2, 2, 2, 1, 1]
            )
            assert torch.allclose(whole, mean, atol=1e-5)


def test_noise_of_later_windows_is_earlier_noise_in_another_order(world: World) -> None:
    shuffled = world.host.modules.load("comfy._windows").shuffled
    noise = torch.arange(10.0).view(10, 1, 1, 1)
    made = shuffled(noise, 0, 4, 1, seed=3).flatten().tolist()
    assert made[:4] == [0, 1, 2, 3] and sorted(made[4:7]) == [0, 1, 2] and sorted(made[7:]) == sorted(made[3:6])
