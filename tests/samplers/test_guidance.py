"""Guidance, its parts, and the inpainting wrapper."""

from __future__ import annotations

import torch

from carrara.samplers import guides_more as more
from carrara.samplers.guidance import CFG
from carrara.samplers.guides import APG, Guiding
from carrara.samplers.inpaint import masked
from carrara.samplers.integrate import Estimates
from carrara.samplers.path import VE, Flow


def fields(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(2, 4, 8, 8, generator=generator, dtype=torch.float64) for _ in range(count)]


def test_cfg_extrapolates_and_returns_all_three() -> None:
    x, cond, uncond = fields(3)
    found = CFG(7.0)(x, cond, uncond, 1.0)
    assert torch.allclose(found.guided, uncond + 7 * (cond - uncond))
    assert found.cond is cond and found.uncond is uncond
    assert not CFG(1.0).needs_uncond and CFG(1.0)(x, cond, cond, 1.0).guided is cond


def test_mask_wrapper_noises_the_kept_part() -> None:
    latent, noise, x, answer = fields(4)
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    mask[..., :3] = 1
    for path in (VE(), Flow()):
        seen: list[torch.Tensor] = []

        def ask(state: torch.Tensor, sigma: float, seen: list[torch.Tensor] = seen) -> Estimates:
            seen.append(state)
            return Estimates(answer, answer, answer)

        out = masked(ask, mask, latent, noise, path)(x, 0.4)
        assert torch.allclose(seen[0][..., :3], x[..., :3])
        assert torch.allclose(seen[0][..., 3:], path.noised(latent, noise, 0.4)[..., 3:])
        assert torch.allclose(out.guided[..., :3], answer[..., :3])
        assert torch.equal(out.guided[..., 3:], latent[..., 3:])


def start(part: object, scale: float = 5.0):  # type: ignore[no-untyped-def]
    return part.start(scale)  # type: ignore[attr-defined]


def found(scale: float = 5.0) -> tuple[torch.Tensor, Estimates]:
    x, cond, uncond = fields(3)
    return x, CFG(scale)(x, cond, uncond, 1.0)


def test_parts_that_do_nothing_when_both_sides_agree() -> None:
    x, cond, _ = fields(3)
    same = Estimates(cond, cond, cond)
    for part in (more.ZeroStar(), more.Norm(), more.DynamicThreshold(percentile=1.0)):
        assert torch.allclose(start(part)(x, same, 1.0), cond), part


def test_zero_star_scales_the_negative_side() -> None:
    x, estimates = found()
    cond, uncond = x - estimates.cond, x - estimates.uncond
    match = ((cond * uncond).sum((1, 2, 3)) / (uncond**2).sum((1, 2, 3))).reshape(-1, 1, 1, 1)
    wanted = match * estimates.uncond + 5 * (estimates.cond - match * estimates.uncond)
    assert torch.allclose(start(more.ZeroStar())(x, estimates, 1.0), wanted)


def test_interval_guides_only_inside() -> None:
    x, cond, uncond = fields(3)
    guide = start(more.Interval(0.5, 2.0))
    assert torch.allclose(guide(x, cond, uncond, 1.0).guided, uncond + 5 * (cond - uncond))
    assert torch.equal(guide(x, cond, uncond, 3.0).guided, cond) and torch.equal(
        guide(x, cond, uncond, 0.1).guided, cond
    )


def test_tangential_damping_keeps_the_positive_side() -> None:
    x, cond, uncond = fields(3)
    kept, damped = start(more.TangentialDamping())(x, cond, uncond, 1.0)
    assert torch.equal(kept, cond)
    assert ((x - damped).norm() < (x - uncond).norm()) and torch.isfinite(damped).all()
    _, same = start(more.TangentialDamping())(x, cond, cond, 1.0)
    assert torch.allclose(same, cond)


def test_bounds_bound() -> None:
    x, cond, uncond = fields(3)
    renormed = start(more.Renorm(), 9.0)(x, cond, uncond, 1.0).guided
    assert float(renormed.norm()) <= float(cond.norm()) * 1.0001
    assert torch.equal(start(more.Renorm(below=0.5), 9.0)(x, cond, uncond, 1.0).guided, cond)
    x, estimates = found(9.0)
    normed = start(more.Norm())(x, estimates, 1.0)
    assert bool((normed.norm(dim=1) <= estimates.cond.norm(dim=1) * 1.0001).all())
    pulled = start(more.DynamicThreshold(mimic=3.0))(x, estimates, 1.0)
    assert float(pulled.std()) < float(estimates.guided.std()) * 0.6


def test_mahiro_lies_between_guidance_and_the_leap() -> None:
    x, estimates = found()
    out = start(more.Mahiro())(x, estimates, 1.0)
    leap = 5 * estimates.cond
    share = ((out - leap) * (estimates.guided - leap)).sum() / ((estimates.guided - leap) ** 2).sum()
    assert 0 < float(share) < 1


def test_epsilon_scaling_shrinks_the_noise() -> None:
    x, estimates = found()
    out = start(more.EpsilonScaling(1.25))(x, estimates, 1.0)
    assert torch.allclose((x - out) * 1.25, x - estimates.guided)


def test_perpendicular_negative() -> None:
    cond, uncond, empty = fields(3)
    plain = more.perp_neg(cond, cond, empty, 4.0, 1.0)
    assert torch.allclose(plain, empty + 4 * (cond - empty))  # an opposing or equal negative has no such part
    out = more.perp_neg(cond, uncond, empty, 4.0, 1.0)
    change = (out - empty) / 4 - (cond - empty)
    assert abs(float((change * (cond - empty)).sum())) < 1e-9


def test_two_positives() -> None:
    first, second, negative = fields(3)
    assert torch.allclose(more.dual(first, second, negative, 1.0, 1.0, nested=False), first)
    assert torch.allclose(more.dual(first, second, negative, 1.0, 1.0, nested=True), first)
    assert torch.allclose(more.away_from(first, second, second, 3.0), first)


def test_parts_compose_and_memory_is_per_run() -> None:
    x, cond, uncond = fields(3)
    guiding = Guiding().with_before(APG(0.8, 0.0, -0.5)).with_after(more.EpsilonScaling(1.0))
    first, second = guiding.start(4.0), guiding.start(4.0)
    a = [first(x, cond, uncond, s).guided for s in (3.0, 2.0)]
    b = [second(x, cond, uncond, s).guided for s in (3.0, 2.0)]
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) and not torch.equal(a[0], a[1])
