"""Choosing between branches and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar
from typing import Any as Anything

from ..executor.spec import Choices, Extra, Lazy, Out, node

if TYPE_CHECKING:
    Matched = Anything
else:

    class Matched:
        """A type that the editor lets follow from what is linked."""

        socket: ClassVar[str] = "COMFY_MATCHTYPE_V3"


_SAME = Extra({"template": {"template_id": "switch", "allowed_types": "*"}})


@node("ComfySwitchNode", category="logic", title="Switch", experimental=True)
def switch(
    switch: bool, on_false: Annotated[Lazy[Matched], _SAME], on_true: Annotated[Lazy[Matched], _SAME]
) -> Annotated[Matched, Out("output")]:
    """Pass one of two values on; the other one's branch does not run."""
    return (on_true if switch else on_false).get()


@node("CustomCombo", category="utils", title="Custom Combo", experimental=True)
def custom_combo(choice: Annotated[str, Choices((), open=True), "Kept by the editor."]) -> str:
    """A list whose names the workflow brings along."""
    return choice
