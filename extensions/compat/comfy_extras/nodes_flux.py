"""`comfy_extras.nodes_flux`: its nodes as classes."""

from _core_classes import fill

fill(globals())
