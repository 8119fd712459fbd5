"""`comfy_execution.validation`: whether an output fits an input."""

from __future__ import annotations

MATCH = "COMFY_MATCHTYPE_V3"


def validate_node_input(received_type: str, input_type: str, strict: bool = False) -> bool:
    """Both are types or comma-separated lists of them, compared by their own `!=` first.

    strict: every received type must be among the input's; else one in common is enough.
    """
    if not received_type != input_type or MATCH in (received_type, input_type):  # noqa: SIM202
        return True
    if not isinstance(received_type, str) or not isinstance(input_type, str):
        return False
    given = {part.strip() for part in str.__str__(received_type).split(",")}
    taken = {part.strip() for part in str.__str__(input_type).split(",")}
    return given <= taken if strict else bool(given & taken)
