"""`comfy_extras.nodes_hypertile`: its nodes as classes."""

from _core_classes import fill

fill(globals())
