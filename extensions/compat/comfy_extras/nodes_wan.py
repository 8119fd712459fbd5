"""`comfy_extras.nodes_wan`: its nodes as classes."""

from _core_classes import fill

fill(globals())
