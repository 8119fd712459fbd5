"""Socket types that choose out of a list."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from comfy_api.internal import prune_dict
from comfy_api.latest._io_base import (
    ComfyTypeI,
    ComfyTypeIO,
    FolderType,
    RemoteOptions,
    UploadType,
    WidgetInput,
    comfytype,
)
from comfy_api.latest._io_base import Output as _Output
from comfy_api.latest._io_widgets import Extra, plain


@comfytype(io_type="COMBO")
class Combo(ComfyTypeIO):
    Type = str

    class Input(WidgetInput):
        """One out of a list. options: the list, or an Enum whose values are the list."""

        multiselect = False

        def __init__(
            self,
            id: str,
            options: Sequence[Any] | type[Enum] | None = None,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            default: Any = None,
            control_after_generate: bool | Enum | None = None,
            upload: UploadType | None = None,
            image_folder: FolderType | None = None,
            remote: RemoteOptions | None = None,
            socketless: bool | None = None,
            extra_dict: Extra = None,
            raw_link: bool | None = None,
            advanced: bool | None = None,
        ) -> None:
            if isinstance(options, type) and issubclass(options, Enum):
                options = [member.value for member in options]
            super().__init__(
                id,
                display_name,
                optional,
                tooltip,
                lazy,
                plain(default),
                socketless,
                None,
                None,
                extra_dict,
                raw_link,
                advanced,
            )
            self.options = None if options is None else list(options)
            self.control_after_generate = control_after_generate
            self.upload = upload
            self.image_folder = image_folder
            self.remote = remote

        def as_dict(self) -> dict[str, Any]:
            options = {
                "multiselect": self.multiselect,
                "options": self.options,
                "control_after_generate": plain(self.control_after_generate),
                "image_folder": plain(self.image_folder),
                "remote": None if self.remote is None else self.remote.as_dict(),
            }
            if self.upload is not None:
                options[plain(self.upload)] = True
            return super().as_dict() | prune_dict(options)

    class Output(_Output):
        def __init__(
            self,
            id: str | None = None,
            display_name: str | None = None,
            options: Sequence[Any] | None = None,
            tooltip: str | None = None,
            is_output_list: bool = False,
        ) -> None:
            super().__init__(id, display_name, tooltip, is_output_list)
            self.options = options if options is not None else []


@comfytype(io_type="COMBO")
class MultiCombo(ComfyTypeI):
    Type = list[str]

    class Input(Combo.Input):
        """Any number out of a list."""

        multiselect = True

        def __init__(
            self,
            id: str,
            options: Sequence[Any] | type[Enum],
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            default: Sequence[str] | None = None,
            placeholder: str | None = None,
            chip: bool | None = None,
            control_after_generate: bool | Enum | None = None,
            socketless: bool | None = None,
            extra_dict: Extra = None,
            raw_link: bool | None = None,
            advanced: bool | None = None,
        ) -> None:
            super().__init__(
                id,
                options,
                display_name,
                optional,
                tooltip,
                lazy,
                default,
                control_after_generate,
                socketless=socketless,
                extra_dict=extra_dict,
                raw_link=raw_link,
                advanced=advanced,
            )
            self.placeholder = placeholder
            self.chip = chip

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | prune_dict(
                {"multi_select": self.multiselect, "placeholder": self.placeholder, "chip": self.chip}
            )
