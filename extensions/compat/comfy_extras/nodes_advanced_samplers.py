"""`comfy_extras.nodes_advanced_samplers`: its nodes as classes."""

from _core_classes import fill

fill(globals())
