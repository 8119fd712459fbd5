"""What a node type's widgets are, read on demand from `/object_info` entries.

Editor files store widget values without names, so nothing can be read from them without this table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DocumentError
from .jsontext import MAX_BYTES, parse_json, read_bytes, too_large

WIDGETS = frozenset({"COMBO", "INT", "FLOAT", "STRING", "BOOLEAN"})
EXTRA_WIDGETS = frozenset(
    {"AUDIO_RECORD", "AUDIO_UI", "BOUNDING_BOX", "CHART", "COLOR", "COLORS", "CURVE", "GALLERIA", "IMAGECOMPARE"}
    | {"IMAGECROP", "LOAD_3D", "MARKDOWN", "PAINTER", "RANGE", "TEXTAREA", "WEBCAM"}
)
"""Widgets of the stock editor beyond the five plain ones."""
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
UPLOADS = ("image_upload", "video_upload", "audio_upload")
EMPTY: Mapping[str, Any] = {"INT": 0, "FLOAT": 0, "STRING": "", "BOOLEAN": False}
MAX_NESTING = 16
UNPACKER_BYTES = 256 * 1024 * 1024
"""Memory that an .xz file may ask of its unpacker; `xz -9` asks for 65 MiB."""


class _Absent:
    """The default of a widget that has none: the input is left out."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Widget:
    """One value of a node's `widgets_values`.

    exported=False: a button or "after each run" box that takes a place in the list and goes no further.
    branches: of a dynamic combo, the widgets that each choice brings.
    """

    name: str
    type: str
    default: Any = ABSENT
    exported: bool = True
    dynamic_prompts: bool = False
    branches: Mapping[str, tuple[Widget, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signature:
    """What reading a file needs to know of one node type.

    widgets: in file order. sockets: types of the inputs without a widget, by name.
    pack: it comes from a third party.
    """

    type: str
    title: str
    widgets: tuple[Widget, ...]
    sockets: Mapping[str, str]
    outputs: tuple[str, ...]
    output: bool
    pack: bool


class Signatures:
    """Node signatures by type, out of any mapping of `/object_info` entries."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        self._info = info
        self._read: dict[str, Signature | None] = {}

    @classmethod
    def load(cls, path: str | Path) -> Signatures:
        """From a saved `/object_info`, plain or .xz."""
        path = Path(path)
        data = read_bytes(path)
        if data.startswith(b"\xfd7zXZ\x00"):
            data = _unpack(data, path)
        info = parse_json(data, str(path))
        if not isinstance(info, dict):
            raise _fault(str(path), info, "an object of node types, as /object_info answers")
        return cls(info)

    @property
    def info(self) -> Mapping[str, Any]:
        """The entries they are read from."""
        return self._info

    def __contains__(self, type: str) -> bool:
        return type in self._info

    def __iter__(self) -> Iterator[str]:
        return iter(self._info)

    def get(self, type: str) -> Signature | None:
        """The type's signature; None if it is not known here."""
        try:
            return self._read[type]
        except KeyError:
            found = self._read[type] = read_signature(type, self._info[type]) if type in self._info else None
            return found


def read_signature(type: str, info: Any) -> Signature:
    """One `/object_info` entry. Raises DocumentError."""
    where = f"node type {type}"
    info = _mapping(info, where)
    widgets, sockets = read_inputs(info.get("input", {}), where, 0)
    outputs = info.get("output") or ()
    if not isinstance(outputs, list | tuple):
        raise _fault(f"{where}, output", outputs, "a list of types")
    title = info.get("display_name")
    return Signature(
        type=type,
        title=title if isinstance(title, str) and title else type,
        widgets=widgets,
        sockets=sockets,
        outputs=tuple(o if isinstance(o, str) else "COMBO" for o in outputs),
        output=bool(info.get("output_node")),
        pack=str(info.get("python_module", "")).startswith("custom_nodes"),
    )


def read_inputs(inputs: Any, where: str, depth: int) -> tuple[tuple[Widget, ...], dict[str, str]]:
    """(widgets in file order, types of the inputs without one). Required inputs come before optional ones."""
    if depth > MAX_NESTING:
        raise _fault(where, f"choices nested more than {MAX_NESTING} deep", "fewer")
    widgets: list[Widget] = []
    sockets: dict[str, str] = {}
    for group in ("required", "optional"):
        trailing: list[Widget] = []
        for name, config in _mapping(_mapping(inputs, where).get(group) or {}, where).items():
            if not isinstance(config, list | tuple) or not config:
                raise _fault(f"{where}, input {name}", config, "[type, options]")
            options = config[1] if len(config) > 1 and isinstance(config[1], Mapping) else {}
            widget = read_widget(str(name), config[0], options, where, depth)
            if widget is None:
                sockets[str(name)] = config[0] if isinstance(config[0], str) else "COMBO"
                continue
            widgets.append(widget)
            if _controlled(widget, options, depth):
                widgets.append(Widget("control_after_generate", "COMBO", exported=False))
            if any(options.get(flag) for flag in UPLOADS):
                trailing.append(Widget("upload", "UPLOAD", exported=False))
        widgets += trailing
    return tuple(widgets), sockets


def read_widget(name: str, type: Any, options: Mapping[str, Any], where: str, depth: int) -> Widget | None:
    """The widget of one input, or None if it is a mere socket."""
    choices: Any = options.get("options")
    if isinstance(type, list | tuple):
        type, choices = "COMBO", type
    kind = options.get("widgetType") or type
    if options.get("forceInput") or not isinstance(kind, str):
        return None
    if kind == DYNAMIC:
        return _dynamic(name, choices, options, f"{where}, input {name}", depth)
    if kind not in WIDGETS and kind not in EXTRA_WIDGETS:
        return None
    default = options.get("default", EMPTY.get(kind, ABSENT))
    if kind == "COMBO" and "default" not in options and isinstance(choices, list | tuple) and choices:
        default = choices[0]
    return Widget(name, kind, default, dynamic_prompts=kind == "STRING" and bool(options.get("dynamicPrompts")))


def _dynamic(name: str, choices: Any, options: Mapping[str, Any], where: str, depth: int) -> Widget:
    if not isinstance(choices, list | tuple):
        raise _fault(where, choices, "options, a list of {key, inputs}")
    branches: dict[str, tuple[Widget, ...]] = {}
    for choice in choices:
        key = _mapping(choice, where).get("key")
        if not isinstance(key, str):
            raise _fault(where, key, "a choice's key, a text")
        branches[key] = read_inputs(choice.get("inputs") or {}, where, depth + 1)[0]
    return Widget(name, DYNAMIC, options.get("default", next(iter(branches), ABSENT)), branches=branches)


def _controlled(widget: Widget, options: Mapping[str, Any], depth: int) -> bool:
    """Whether a "change after each run" box follows. Unsaid, seeds have one, but not inside dynamic combos."""
    if widget.type != "INT":
        return False
    unsaid = depth == 0 and widget.name in ("seed", "noise_seed")
    return bool(options.get("control_after_generate", unsaid))


def _unpack(data: bytes, path: Path) -> bytes:
    import lzma

    try:
        unpacker = lzma.LZMADecompressor(memlimit=UNPACKER_BYTES)
        plain = unpacker.decompress(data, MAX_BYTES + 1)
    except (lzma.LZMAError, MemoryError) as error:
        raise DocumentError(f"{path} cannot be unpacked", got=str(error), remedy="Save it again.") from None
    if len(plain) > MAX_BYTES:
        raise too_large(str(path), len(plain))
    if not unpacker.eof:
        raise DocumentError(f"{path} is cut short", remedy="Save it again.")
    return plain


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _fault(where, value, "an object")
    return value


def _fault(where: str, got: Any, expected: str) -> DocumentError:
    return DocumentError(
        f"{where} is not a node signature",
        got=f"{type(got).__name__} {str(got)[:80]}",
        expected=expected,
        remedy="Give what a server answers to /object_info.",
    )
