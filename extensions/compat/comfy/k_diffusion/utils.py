"""Small helpers of k-diffusion."""

from __future__ import annotations


def append_dims(x, target_dims):
    """Axes of size 1 added behind, until there are so many."""
    missing = target_dims - x.ndim
    if missing < 0:
        raise ValueError(f"input has {x.ndim} axes but target_dims is {target_dims}, which is less")
    return x[(...,) + (None,) * missing]


def n_params(module):
    """Trainable parameters of a module."""
    return sum(p.numel() for p in module.parameters())
