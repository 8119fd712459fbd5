"""A node class prepared for one validation, and which types fit which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .context import Context
from .dynamic import unfold
from .literals import Check
from .ports import Input, NodeSpec


class Table:
    """A node class prepared for one validation: its checks, and its outputs' types.

    links_free: the class judges the types of links itself.
    """

    __slots__ = ("_context", "_made", "checks", "dynamic", "links_free", "names", "spec", "types")

    def __init__(self, spec: NodeSpec, context: Context) -> None:
        self.spec = spec
        self._context = context
        self._made: dict[Input, Check] = {}
        self.checks = tuple(self._check(port) for port in spec.inputs if not port.dynamic)
        self.dynamic = spec.dynamic
        self.names = frozenset(port.name for port in spec.plain)
        self.types = tuple(output.type for output in spec.outputs)
        hook = spec.validate
        self.links_free = hook is not None and hook.classic and "input_types" in hook.names

    def _check(self, port: Input) -> Check:
        made = self._made.get(port)
        if made is None:
            hook = self.spec.validate
            judged = hook is not None and hook.classic and hook.wants(port.param)
            made = self._made[port] = Check(port, self._context.services, free=judged)
        return made

    def unfolded(self, given: Mapping[str, Any]) -> Iterator[tuple[Check, bool]]:
        """The checks of what dynamic inputs stand for in a node with these inputs, and whether each must be there."""
        for port in self.dynamic:
            for one, required in unfold(port, given):
                yield self._check(one), required


def fits(given: Any, wanted: Any) -> bool:
    """Whether an output type may be linked to an input type."""
    if not (given != wanted):  # noqa: SIM202  packs give types their own `!=`
        return True
    if given == "*" or wanted == "*" or "COMFY_MATCHTYPE_V3" in (given, wanted):
        return True
    if not isinstance(given, str) or not isinstance(wanted, str):
        return wanted == "COMBO" and isinstance(given, list | tuple)
    return not {g.strip() for g in given.split(",")}.isdisjoint(w.strip() for w in wanted.split(","))
