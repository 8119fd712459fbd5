"""What every socket type of the interface is made of: a type, its inputs and its outputs."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar, TypeVar

from comfy_api.internal import copy_class, prune_dict


class FolderType(str, Enum):  # noqa: UP042  packs format these as "FolderType.input"
    """Where a file lies."""

    input = "input"
    output = "output"
    temp = "temp"


class UploadType(str, Enum):  # noqa: UP042
    """What an upload button beside a list takes."""

    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class NumberDisplay(str, Enum):  # noqa: UP042
    """How a number is edited."""

    number = "number"
    slider = "slider"
    gradient_slider = "gradientslider"


class ControlAfterGenerate(str, Enum):  # noqa: UP042
    """What happens to a value after each run."""

    fixed = "fixed"
    increment = "increment"
    decrement = "decrement"
    randomize = "randomize"


class RemoteOptions:
    """A list that the editor fetches from a route. Times in milliseconds."""

    def __init__(
        self,
        route: str,
        refresh_button: bool,
        control_after_refresh: str = "first",
        timeout: int | None = None,
        max_retries: int | None = None,
        refresh: int | None = None,
    ) -> None:
        self.route = route
        self.refresh_button = refresh_button
        self.control_after_refresh = control_after_refresh
        self.timeout = timeout
        self.max_retries = max_retries
        self.refresh = refresh

    def as_dict(self) -> dict[str, Any]:
        return prune_dict(vars(self))


class _ComfyType(ABC):  # noqa: B024
    """Base of all socket types. Type: what Python object travels."""

    Type: Any = Any
    io_type: str = None  # type: ignore[assignment]


class _IO_V3:
    """Base of inputs and outputs. Parent: the socket type they belong to."""

    Parent: ClassVar[type[_ComfyType]]

    def validate(self) -> None:
        """Raises if the declaration contradicts itself."""

    @property
    def io_type(self) -> str:
        return self.Parent.io_type

    @property
    def Type(self) -> Any:
        return self.Parent.Type

    def get_io_type(self) -> str:
        return self.io_type


class Input(_IO_V3):
    """An input. `extra_dict`: further options for the editor."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.lazy = lazy
        self.extra_dict = extra_dict if extra_dict is not None else {}
        self.rawLink = raw_link
        self.advanced = advanced

    def as_dict(self) -> dict[str, Any]:
        """The options as the editor reads them."""
        return {
            **prune_dict(
                {
                    "display_name": self.display_name,
                    "optional": self.optional,
                    "tooltip": self.tooltip,
                    "lazy": self.lazy,
                    "rawLink": self.rawLink,
                    "advanced": self.advanced,
                }
            ),
            **prune_dict(self.extra_dict),
        }

    def get_all(self) -> list[Input]:
        """This input and those it may turn into."""
        return [self]


class WidgetInput(Input):
    """An input that can be edited in place."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        default: Any = None,
        socketless: bool | None = None,
        widget_type: str | None = None,
        force_input: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
        self.default = default
        self.socketless = socketless
        self.widget_type = widget_type
        self.force_input = force_input

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | prune_dict(
            {
                "default": self.default,
                "socketless": self.socketless,
                "widgetType": self.widget_type,
                "forceInput": self.force_input,
            }
        )

    def get_io_type(self) -> str:
        return self.widget_type if self.widget_type is not None else super().get_io_type()


class Output(_IO_V3):
    """An output."""

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.tooltip = tooltip
        self.is_output_list = is_output_list

    def as_dict(self) -> dict[str, Any]:
        return prune_dict(
            {"display_name": self.display_name, "tooltip": self.tooltip, "is_output_list": self.is_output_list}
        )


class DynamicInput(Input, ABC):
    """An input that turns into others, depending on what is submitted."""


class DynamicOutput(Output, ABC):
    """An output that turns into others."""


_Input, _Output = Input, Output


class ComfyTypeI(_ComfyType):
    """A type that is only taken."""

    Input: Any = _Input


class ComfyTypeIO(ComfyTypeI):
    """A type that is taken and given."""

    Output: Any = _Output


T = TypeVar("T", bound=type)


def comfytype(io_type: str, **more: Any) -> Callable[[T], T]:
    """Make a class the socket type `io_type`. Its Input and Output may be classes of its own."""

    def name(cls: T) -> T:
        named: Any = cls
        if not issubclass(cls, _ComfyType):
            own = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__")}
            named = type(cls.__name__, (cls, ComfyTypeIO), own)
        named.io_type = io_type
        for part in ("Input", "Output"):
            if getattr(named, part, None) is not None:
                own_part: Any = copy_class(getattr(named, part))
                own_part.Parent = named
                setattr(named, part, own_part)
        return named  # type: ignore[no-any-return]

    return name


def Custom(io_type: str) -> type[ComfyTypeIO]:
    """A socket type of a pack's own."""

    @comfytype(io_type=io_type)
    class CustomComfyType(ComfyTypeIO): ...

    return CustomComfyType


__all__ = [
    "ComfyTypeI",
    "ComfyTypeIO",
    "ControlAfterGenerate",
    "Custom",
    "DynamicInput",
    "DynamicOutput",
    "FolderType",
    "Input",
    "NumberDisplay",
    "Output",
    "RemoteOptions",
    "UploadType",
    "WidgetInput",
    "comfytype",
]
