"""`comfy_extras.nodes_align_your_steps`: its node as a class, its tables and the rule between their levels."""

import numpy as np
from _core_classes import fill

from ....samplers.published import ALIGN_YOUR_STEPS

fill(globals())
NOISE_LEVELS = {model: list(levels) for model, levels in ALIGN_YOUR_STEPS.items()}


def loglinear_interp(t_steps, num_steps):
    """So many levels out of a falling list, evenly spaced in their logarithm."""
    places = np.linspace(0, 1, len(t_steps))
    wanted = np.linspace(0, 1, num_steps)
    return np.exp(np.interp(wanted, places, np.log(np.asarray(t_steps)[::-1])))[::-1].copy()
