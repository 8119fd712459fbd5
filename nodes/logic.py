"""Choosing between branches and names."""

from __future__ import annotations

from typing import Annotated, TypeVar

from ..executor.spec import Choices, Lazy, Out, node

Switch = TypeVar("Switch")


@node("ComfySwitchNode", category="logic", title="Switch", experimental=True)
def switch(switch: bool, on_false: Lazy[Switch], on_true: Lazy[Switch]) -> Annotated[Switch, Out("output")]:
    """Pass one of two values on; the other one's branch does not run."""
    return (on_true if switch else on_false).get()


@node("CustomCombo", category="utils", title="Custom Combo", experimental=True)
def custom_combo(choice: Annotated[str, Choices((), open=True), "Kept by the editor."]) -> str:
    """A list whose names the workflow brings along."""
    return choice
