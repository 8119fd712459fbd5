"""`comfy.graph_utils`: the older place of `comfy_execution.graph_utils`."""

from __future__ import annotations

from comfy_execution.graph_utils import ExecutionBlocker, GraphBuilder, Node, add_graph_prefix, is_link

__all__ = ["ExecutionBlocker", "GraphBuilder", "Node", "add_graph_prefix", "is_link"]
