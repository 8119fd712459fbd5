"""Inputs that take several types, and inputs that turn into others."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from comfy_api.internal import is_class, prune_dict
from comfy_api.latest._io_base import (
    ComfyTypeI,
    ComfyTypeIO,
    DynamicInput,
    WidgetInput,
    _ComfyType,
    comfytype,
)
from comfy_api.latest._io_base import Input as _Input
from comfy_api.latest._io_base import Output as _Output
from comfy_api.latest._io_types import AnyType

from .....errors import DeclarationError

Extra = Mapping[str, Any] | None
MOST = 100
"""Members an Autogrow can have."""


def options_of(inputs: Sequence[_Input]) -> dict[str, dict[str, Any]]:
    """{required: {id: (type, options)}, optional: ...} as INPUT_TYPES gives them."""
    found: dict[str, dict[str, Any]] = {"required": {}}
    for one in inputs:
        options = one.as_dict()
        options.pop("optional", None)
        found.setdefault("optional" if one.optional else "required", {})[one.id] = (one.get_io_type(), options)
    return found


@comfytype(io_type="COMFY_MULTITYPED_V3")
class MultiType(ComfyTypeIO):
    Type = Any

    class Input(_Input):
        """An input of several types. id: a name, or an input whose widget stands in for the link."""

        def __init__(
            self,
            id: str | _Input,
            types: Sequence[Any],
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            extra_dict: Extra = None,
            raw_link: bool | None = None,
            advanced: bool | None = None,
        ) -> None:
            self.input_override: _Input | None = None
            if isinstance(id, _Input):
                widget = self.input_override = copy.copy(id)
                if isinstance(widget, WidgetInput):
                    widget.widget_type = widget.get_io_type()
                optional = widget.optional or optional
                tooltip = tooltip if widget.tooltip is None else widget.tooltip
                display_name = display_name if widget.display_name is None else widget.display_name
                lazy = lazy if widget.lazy is None else widget.lazy
                id = widget.id
            super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
            self._io_types = types

        @property
        def io_types(self) -> list[Any]:
            return [each if is_class(each) else type(each) for each in self._io_types]

        def get_io_type(self) -> str:
            first: list[str] = [] if self.input_override is None else [self.input_override.get_io_type()]
            return ",".join(dict.fromkeys([*first, *(each.io_type for each in self.io_types)]))

        def as_dict(self) -> dict[str, Any]:
            own = super().as_dict()
            return own if self.input_override is None else self.input_override.as_dict() | own


@comfytype(io_type="COMFY_MATCHTYPE_V3")
class MatchType(ComfyTypeIO):
    class Template:
        """Inputs and outputs that name the same template have the same type."""

        def __init__(self, template_id: str, allowed_types: Any = AnyType) -> None:
            allowed = list(allowed_types) if isinstance(allowed_types, Iterable) else [allowed_types]
            for each in allowed:
                if not issubclass(each if is_class(each) else type(each), _ComfyType):
                    raise DeclarationError(
                        f"the template {template_id} allows something that is no socket type",
                        got=getattr(each, "__name__", each),
                        remedy='Use io.Image, io.Mask, io.Custom("T"), ...',
                    )
            self.template_id = template_id
            self.allowed_types = allowed

        def as_dict(self) -> dict[str, str]:
            return {
                "template_id": self.template_id,
                "allowed_types": ",".join(each.io_type for each in self.allowed_types),
            }

    class Input(_Input):
        def __init__(
            self,
            id: str,
            template: MatchType.Template,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            extra_dict: Extra = None,
            raw_link: bool | None = None,
            advanced: bool | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
            self.template = template

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"template": self.template.as_dict()}

    class Output(_Output):
        def __init__(
            self,
            template: MatchType.Template,
            id: str | None = None,
            display_name: str | None = None,
            tooltip: str | None = None,
            is_output_list: bool = False,
        ) -> None:
            super().__init__(id, display_name or "MATCHTYPE", tooltip, is_output_list)
            self.template = template

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"template": self.template.as_dict()}


class AutogrowTemplate:
    """What grows: `names` in order, the first `min` of them required."""

    def __init__(self, input: _Input, names: Sequence[str], min: int) -> None:
        if isinstance(input, DynamicInput):
            raise DeclarationError("an Autogrow cannot grow inputs that are dynamic themselves", got=input.id)
        if not min >= 0 or len(names) > MOST:
            raise DeclarationError(
                f"the Autogrow of {input.id} has impossible bounds",
                got=f"min {min}, {len(names)} names",
                expected=f"min from 0, at most {MOST} names",
            )
        self.input = copy.copy(input)
        if isinstance(self.input, WidgetInput):
            self.input.force_input = True
        self.names = list(names)
        self.min = min

    def get_all(self) -> list[_Input]:
        members = []
        for name in self.names:
            member = copy.copy(self.input)
            member.id = name
            members.append(member)
        return members

    def as_dict(self) -> dict[str, Any]:
        return {"input": options_of([self.input]), "min": self.min}

    def validate(self) -> None:
        self.input.validate()


@comfytype(io_type="COMFY_AUTOGROW_V3")
class Autogrow(ComfyTypeI):
    Type = dict[str, Any]
    _MaxNames = MOST
    _AutogrowTemplate = AutogrowTemplate

    class TemplatePrefix(AutogrowTemplate):
        """`prefix0`, `prefix1`, ..."""

        def __init__(self, input: _Input, prefix: str, min: int = 1, max: int = 10) -> None:
            if not 1 <= max <= MOST:
                raise DeclarationError(f"the Autogrow {prefix} has an impossible max", got=max, expected=f"1 to {MOST}")
            super().__init__(input, [f"{prefix}{index}" for index in range(max)], min)
            self.prefix = prefix
            self.max = max

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"prefix": self.prefix, "max": self.max}

    class TemplateNames(AutogrowTemplate):
        """The names themselves."""

        def __init__(self, input: _Input, names: Sequence[str], min: int = 1) -> None:
            super().__init__(input, names[:MOST], min)

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"names": self.names}

    class Input(DynamicInput):
        """Another input of the same kind appears when the last one is linked. The node gets a dict by name."""

        def __init__(
            self,
            id: str,
            template: AutogrowTemplate,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            extra_dict: Extra = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy, extra_dict)
            self.template = template

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"template": self.template.as_dict()}

        def get_all(self) -> list[_Input]:
            return [self, *self.template.get_all()]

        def validate(self) -> None:
            self.template.validate()


@comfytype(io_type="COMFY_DYNAMICCOMBO_V3")
class DynamicCombo(ComfyTypeI):
    Type = dict[str, Any]

    class Option:
        """A choice, and the inputs that come with it."""

        def __init__(self, key: str, inputs: Sequence[_Input]) -> None:
            self.key = key
            self.inputs = list(inputs)

        def as_dict(self) -> dict[str, Any]:
            return {"key": self.key, "inputs": options_of(self.inputs)}

    class Input(DynamicInput):
        """A list whose choice decides which inputs follow. The node gets a dict of them, the choice under the id."""

        def __init__(
            self,
            id: str,
            options: Sequence[DynamicCombo.Option],
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            extra_dict: Extra = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy, extra_dict)
            self.options = list(options)

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"options": [option.as_dict() for option in self.options]}

        def get_all(self) -> list[_Input]:
            return [self, *(each for option in self.options for each in option.inputs)]

        def validate(self) -> None:
            for option in self.options:
                for each in option.inputs:
                    each.validate()


@comfytype(io_type="COMFY_DYNAMICSLOT_V3")
class DynamicSlot(ComfyTypeI):
    Type = dict[str, Any]

    class Input(DynamicInput):
        """A link; once it is there, further inputs appear. The node gets a dict, the linked value under the id."""

        def __init__(
            self,
            slot: _Input,
            inputs: Sequence[_Input],
            display_name: str | None = None,
            tooltip: str | None = None,
            lazy: bool | None = None,
            extra_dict: Extra = None,
        ) -> None:
            if isinstance(slot, DynamicInput):
                raise DeclarationError("the slot of a DynamicSlot cannot be dynamic itself", got=slot.id)
            slot = self.slot = copy.copy(slot)
            slot.display_name = display_name if slot.display_name is None else slot.display_name
            slot.tooltip = tooltip if slot.tooltip is None else slot.tooltip
            slot.lazy = lazy if slot.lazy is None else slot.lazy
            slot.extra_dict = slot.extra_dict or extra_dict or {}
            super().__init__(slot.id, slot.display_name, True, slot.tooltip, slot.lazy, slot.extra_dict)
            self.inputs = list(inputs)
            self.force_input: bool | None = None
            if isinstance(slot, WidgetInput):
                self.force_input = slot.force_input = True

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | prune_dict(
                {
                    "slotType": str(self.slot.get_io_type()),
                    "inputs": options_of(self.inputs),
                    "forceInput": self.force_input,
                }
            )

        def get_all(self) -> list[_Input]:
            return [self.slot, *self.inputs]

        def validate(self) -> None:
            self.slot.validate()
            for each in self.inputs:
                each.validate()
