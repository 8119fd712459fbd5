"""`comfy_extras.nodes_tomesd`: its nodes as classes."""

from _core_classes import fill

fill(globals())
