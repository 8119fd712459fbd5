"""`comfy_extras.nodes_fresca`: its nodes as classes."""

from _core_classes import fill

fill(globals())
