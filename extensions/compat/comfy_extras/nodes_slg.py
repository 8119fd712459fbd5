"""`comfy_extras.nodes_slg`: its nodes as classes."""

from _core_classes import fill

fill(globals())
