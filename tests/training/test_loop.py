"""The loop: mean of weights, learning rate, and a resumed run equal to one that was never interrupted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from carrara.training.ema import Average
from carrara.training.loop import Loss, Plan, Progress, Run, train


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 4))


def loss_of(model: nn.Module) -> Loss:
    def loss(step: int) -> torch.Tensor:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return (model(x) - x.flip(1)).square().mean()

    return loss


PLAN = Plan(steps=30, rate=1e-2, warmup=5, cooldown=10, save_every=7)


def finished(file: Path | None = None, minutes: float | None = None) -> Run:
    model = network()
    run = Run(model, PLAN)
    assert train(run, loss_of(model), file, minutes=minutes)
    return run


def test_the_mean_of_weights_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    average = Average(model, decay=0.9)
    expected = 0.0
    for step in range(60):
        nn.init.constant_(model.weight, float(step))
        average.update(model)
        keep = min(0.9, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * step
    assert float(average.weights["weight"]) == pytest.approx(expected, rel=1e-5)
    average.copy_to(model)
    assert float(model.weight.detach()) == pytest.approx(expected, rel=1e-5)


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [PLAN.rate_at(step) for step in range(PLAN.steps)]
    assert rates[:5] == pytest.approx([2e-3, 4e-3, 6e-3, 8e-3, 1e-2])
    assert set(rates[5:21]) == {1e-2}
    assert all(a > b for a, b in pairwise(rates[20:])) and 0 < rates[-1] < 1e-3


def test_training_learns() -> None:
    model = network()
    before = loss_of(model)(1000).item()
    train(Run(model, Plan(steps=150, rate=1e-2, warmup=5)), loss_of(model))
    assert loss_of(model)(1000).item() < 0.3 * before


@pytest.mark.parametrize("stop", [1, 7, 13, 29])
def test_a_resumed_run_ends_on_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = finished()
    model = network()
    first = Run(model, PLAN)
    for _ in range(stop):
        first.advance(loss_of(model))
    first.save(tmp_path / "run.pt")

    other = network(seed=99)
    second = Run(other, PLAN)
    second.load(tmp_path / "run.pt")
    assert train(second, loss_of(other))
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
        assert torch.equal(whole.average.weights[name], second.average.weights[name]), name


def test_an_interruption_costs_what_came_after_the_last_save(tmp_path: Path) -> None:
    file = tmp_path / "run.pt"
    model = network()

    def stop(progress: Progress) -> None:
        if progress.step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Run(model, PLAN), loss_of(model), file, on_step=stop)
    resumed = Run(network(seed=5), PLAN)
    resumed.load(file)
    assert resumed.step == 14
    assert train(resumed, loss_of(resumed.network), file)
    for name, value in finished().network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_time_that_runs_out_leaves_a_state_to_go_on_from(tmp_path: Path) -> None:
    model = network()
    run = Run(model, PLAN)
    assert not train(run, loss_of(model), tmp_path / "run.pt", minutes=0)
    assert (tmp_path / "run.pt").exists()
