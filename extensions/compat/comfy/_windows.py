"""Where windows along a long latent lie, and what each place in a window weighs."""

from __future__ import annotations

from math import ceil, log2

import torch


def estimated(whole, model, conds, x_in, timestep, model_options):
    """What `whole` gives, or the handler of these options, where it wants this latent in windows."""
    given = model, conds, x_in, timestep, model_options
    handler = model_options.get("context_handler")
    if handler is None or not handler.should_use_context(*given):
        return whole(*given)
    return handler.execute(whole, *given)


class ContextSchedules:
    """Names of schedules."""

    UNIFORM_LOOPED = "looped_uniform"
    UNIFORM_STANDARD = "standard_uniform"
    STATIC_STANDARD = "standard_static"
    BATCHED = "batched"


class ContextFuseMethods:
    """Names of ways to blend."""

    FLAT = "flat"
    PYRAMID = "pyramid"
    RELATIVE = "relative"
    OVERLAP_LINEAR = "overlap-linear"

    LIST = (PYRAMID, FLAT, OVERLAP_LINEAR)
    LIST_STATIC = (PYRAMID, RELATIVE, FLAT, OVERLAP_LINEAR)


# --- schedules: (length, handler, model_options) -> lists of places -----------------------------------------


def ordered_halving(number):
    """0, 1/2, 1/4, 3/4, 1/8, ...: the bits of a number mirrored at the point."""
    return int(f"{number:064b}"[::-1], 2) / 2**64


def _strided(total, handler):
    """Windows of strides 1, 2, 4, ... from a start that moves with the step, going round at the end."""
    length, overlap, shift = handler.context_length, handler.context_overlap, ordered_halving(handler._step)
    start = round(total * shift)
    end = start + total - (0 if handler.closed_loop else overlap)
    found = []
    for power in range(min(handler.context_stride, ceil(log2(total / length)) + 1)):
        stride = 2**power
        for first in range(int(shift * stride) + start, end, length * stride - overlap):
            found.append([(first + at * stride) % total for at in range(length)])
    return found


def looped(total, handler, model_options=None):
    return [list(range(total))] if total < handler.context_length else _strided(total, handler)


class _Straight:
    """A handler's settings for windows that do not go round."""

    closed_loop = False

    def __init__(self, handler):
        self.handler = handler

    def __getattr__(self, name):
        return getattr(self.handler, name)


def straight(total, handler, model_options=None):
    """The same, but windows that would go round lie at the end instead, and none lies twice."""
    if total <= handler.context_length:
        return [list(range(total))]
    waiting, found = _strided(total, _Straight(handler)), []
    while waiting:
        window = waiting.pop(0)
        turn = next((at for at in range(1, len(window)) if window[at] < window[at - 1]), None)
        if turn is not None:
            again = window[turn]
            moved = [(place - window[0]) % total for place in window]
            window = [place + total - 1 - moved[-1] for place in moved]
            following = (waiting or found or [window])[0]
            if again not in following:
                waiting.insert(0, list(range(again, again + handler.context_length)))
        if window not in found:
            found.append(window)
    return found


def static(total, handler, model_options=None):
    """The same windows at each step; the last lies at the end."""
    length = handler.context_length
    if total <= length:
        return [list(range(total))]
    starts = range(0, total - length, length - handler.context_overlap)
    return [list(range(first, first + length)) for first in (*starts, total - length)]


def batched(total, handler, model_options=None):
    """One after another; the last may be shorter."""
    length = handler.context_length
    return [list(range(first, min(first + length, total))) for first in range(0, total, length)]


SCHEDULES = {
    ContextSchedules.UNIFORM_LOOPED: looped,
    ContextSchedules.UNIFORM_STANDARD: straight,
    ContextSchedules.STATIC_STANDARD: static,
    ContextSchedules.BATCHED: batched,
}

# --- weights ------------------------------------------------------------------------------------------------


def flat(length, **kwargs):
    return [1.0] * length


def pyramid(length, **kwargs):
    """1, 2, ... to the middle and back."""
    return [min(at + 1, length - at) for at in range(length)]


def overlap_linear(length, full_length, idxs, handler, **kwargs):
    """1, but for ramps where windows meet."""
    weights, overlap = torch.ones(length), handler.context_overlap
    ramp = torch.linspace(1e-37, 1, overlap)
    if overlap and min(idxs) > 0:
        weights[:overlap] = ramp
    if overlap and max(idxs) < full_length - 1:
        weights[-overlap:] = ramp.flip(0)
    return weights


FUSE_MAPPING = {
    ContextFuseMethods.FLAT: flat,
    ContextFuseMethods.PYRAMID: pyramid,
    ContextFuseMethods.RELATIVE: pyramid,
    ContextFuseMethods.OVERLAP_LINEAR: overlap_linear,
}


def shuffled(noise, dim, length, overlap, seed):
    """Past the first window, noise of earlier places in another order: Qiu et al. 2024, arXiv:2310.15169, sec. 3.2."""
    made = noise.clone().movedim(dim, 0)
    generator = torch.Generator().manual_seed(seed or 0)
    total, stride = made.shape[0], length - overlap
    for first in range(0, total - length, stride):
        count = min(stride, total - first - length)
        order = torch.randperm(count, generator=generator) + first
        made[first + length : first + length + count] = made[order]
    return made.movedim(0, dim)
