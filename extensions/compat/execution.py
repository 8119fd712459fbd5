"""`execution`: names that packs take from the executor. The executor itself is Carrara's."""

from __future__ import annotations

from enum import Enum

from comfy_execution.graph import DynamicPrompt, ExecutionBlocker, get_input_info

__all__ = ["SENSITIVE_EXTRA_DATA_KEYS", "DynamicPrompt", "ExecutionBlocker", "ExecutionResult", "get_input_info"]

SENSITIVE_EXTRA_DATA_KEYS = ("auth_token_comfy_org", "api_key_comfy_org")


class ExecutionResult(Enum):
    """How a node's turn ended."""

    SUCCESS = 0
    FAILURE = 1
    PENDING = 2
