"""`comfy_extras.nodes_model_merging_model_specific`: its nodes as classes."""

from _core_classes import fill

fill(globals())
