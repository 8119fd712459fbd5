"""The tau functions of SA-Solver."""

from __future__ import annotations


def get_tau_interval_func(start_sigma, end_sigma, eta=1.0):
    """eta between two levels, 0 elsewhere."""

    def tau(sigma):
        value = float(sigma)
        return eta if end_sigma <= value <= start_sigma and eta > 0 else 0.0

    return tau
