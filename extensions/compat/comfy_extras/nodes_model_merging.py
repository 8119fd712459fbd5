"""`comfy_extras.nodes_model_merging`: its nodes as classes."""

from _core_classes import fill

fill(globals())
