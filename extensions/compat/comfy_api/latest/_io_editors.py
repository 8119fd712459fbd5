"""Socket types whose widget is an editor of its own: colours, boxes, curves, comparisons."""

from __future__ import annotations

from typing import Any

from comfy_api.internal import prune_dict
from comfy_api.latest._io_base import ComfyTypeI, ComfyTypeIO, WidgetInput, comfytype


class EditorInput(WidgetInput):
    """An input that is only edited, unless `socketless` is False."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        socketless: bool | None = True,
        default: Any = None,
        advanced: bool | None = None,
        force_input: bool | None = None,
    ) -> None:
        super().__init__(
            id,
            display_name,
            optional,
            tooltip,
            default=default,
            socketless=socketless,
            force_input=force_input,
            advanced=advanced,
        )


@comfytype(io_type="COLOR")
class Color(ComfyTypeIO):
    Type = str

    class Input(EditorInput):
        """A colour as `#rrggbb`."""

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            socketless: bool | None = True,
            advanced: bool | None = None,
            default: str = "#ffffff",
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, socketless, default, advanced)


@comfytype(io_type="BOUNDING_BOX")
class BoundingBox(ComfyTypeIO):
    Type = dict

    class Input(EditorInput):
        """A rectangle in pixels: {x, y, width, height}."""

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            socketless: bool | None = True,
            default: dict[str, int] | None = None,
            component: str | None = None,
            force_input: bool | None = None,
        ) -> None:
            default = default or {"x": 0, "y": 0, "width": 512, "height": 512}
            super().__init__(id, display_name, optional, tooltip, socketless, default, None, force_input)
            self.component = component

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | prune_dict({"component": self.component})


@comfytype(io_type="BOUNDING_BOXES")
class BoundingBoxes(ComfyTypeIO):
    Type = list

    class Input(EditorInput):
        """Rectangles in pixels."""


@comfytype(io_type="CURVE")
class Curve(ComfyTypeIO):
    Type = Any

    class Input(EditorInput):
        """A curve through points (x, y) in 0..1."""

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            socketless: bool | None = True,
            default: list[tuple[float, float]] | None = None,
            advanced: bool | None = None,
        ) -> None:
            super().__init__(
                id, display_name, optional, tooltip, socketless, default or [(0.0, 0.0), (1.0, 1.0)], advanced
            )

        def as_dict(self) -> dict[str, Any]:
            points = [list(point) for point in self.default]
            return super().as_dict() | {"default": {"points": points, "interpolation": "monotone_cubic"}}


@comfytype(io_type="IMAGECOMPARE")
class ImageCompare(ComfyTypeI):
    Type = dict

    class Input(EditorInput):
        """Two pictures side by side."""

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            socketless: bool | None = True,
            advanced: bool | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, socketless, None, advanced)


@comfytype(io_type="HISTOGRAM")
class Histogram(ComfyTypeIO):
    Type = list[int]
