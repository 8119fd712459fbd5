"""`comfy_extras.nodes_apg`: its nodes as classes."""

from _core_classes import fill

fill(globals())
