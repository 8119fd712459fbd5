"""How our inputs and outputs look in a host's menus, where they are other than in our own editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ...executor.spec import Input, NodeSpec

SHOWN = 10
"""How many of the members of a growing input a host shows."""


class Everything(str):
    """The socket `*`, which goes with any other. Hosts compare sockets by `!=`; a plain `*` would take only itself."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False


ANYTHING: Mapping[str, str] = {"*": Everything("*")}


def with_sockets(spec: NodeSpec, sockets: Mapping[str, str]) -> NodeSpec:
    """sockets: the host's names of ours, where they differ. Types that must match become all that they may be."""
    allowed = {port.match.template: port.match.allowed for port in spec.plain if port.match}
    inputs = tuple(port if port.dynamic else socketed(port, sockets) for port in spec.inputs)
    outputs = []
    for port in spec.outputs:
        type = port.type if port.match is None else allowed.get(port.match, "*")
        there = sockets.get(type, type)
        outputs.append(port if there is port.type else replace(port, type=there, match=None))
    return replace(spec, inputs=inputs, outputs=tuple(outputs))


def socketed(port: Input, sockets: Mapping[str, str]) -> Input:
    type = port.match.allowed if port.match else port.type
    there = sockets.get(type, type)
    return port if there is port.type else replace(port, type=there, match=None)


def laid_out(port: Input, sockets: Mapping[str, str]) -> Iterator[Input]:
    """A dynamic input as the plain ones it may stand for: a host's classic kind of class knows no others.

    Of a growing one the first few; of a choice that brings inputs those of all its choices, each with its default.
    One that is given as a link is called lazy too: else the host would work out what it leads to.
    """
    if port.grow is not None:
        for index, member in enumerate(port.grow.members[:SHOWN]):
            yield from laid_out(_labelled(member, index < port.grow.min), sockets)
    elif port.modes:
        yield replace(port, type="COMBO", modes=())
        brought = {one.name: one for mode in port.modes for one in mode.inputs}
        for one in brought.values():
            yield from laid_out(_labelled(one, False), sockets)
    else:
        there = socketed(port, sockets)
        yield replace(there, lazy=True) if port.raw_link else there


def _labelled(port: Input, required: bool) -> Input:
    """Shown under its own name, without that of the input it belongs to."""
    return replace(port, required=required, title=port.title or port.name.rpartition(".")[2])
