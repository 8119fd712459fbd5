"""`comfy_extras.nodes_tcfg`: its nodes as classes."""

from _core_classes import fill

fill(globals())
