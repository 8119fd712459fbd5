"""`comfy_extras.nodes_differential_diffusion`: its nodes as classes."""

from _core_classes import fill

fill(globals())
