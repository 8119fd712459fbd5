"""How to make one network: its class, its configuration, where its weights lie and what is merged into them.

A value: handing it around reads nothing. `Residency.network` turns it into a module when something must run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .load import Weights
    from .merging import Merged
    from .patch import Patch
    from .scaled import Scaled


@dataclass(frozen=True)
class LatentFormat:
    """scale, shift: model space = (VAE output - shift) * scale. factor: pixels per latent cell."""

    channels: int = 4
    scale: float = 0.18215
    shift: float = 0.0
    factor: int = 8


@dataclass(frozen=True, eq=False)
class Blueprint:
    """role: unet, text, vae or control. make(config, device=, dtype=) builds the module on any device.

    aliases(config): our module path -> the path LoRA files use, where the two differ (keys.py).
    lent: the network itself, from somebody who holds one and changed it; none is made then. runs_in: the torch name of
    the number format it shall run in, whatever the engine would choose.
    """

    role: str
    make: Callable[..., Any]
    config: Any
    weights: Weights
    aliases: Callable[[Any], Mapping[str, str]] | None = None
    patches: tuple[Patch | Scaled | Merged, ...] = ()
    lent: Any = None
    runs_in: str | None = None

    @property
    def content(self) -> tuple[Any, ...]:
        """Equal for two blueprints exactly when they make the same network."""
        made = self.role, self.config, self.weights.content, tuple(p.content for p in self.patches)
        more = [id(self.lent)] if self.lent is not None else []
        return (*made, *more, *([] if self.runs_in is None else [self.runs_in]))

    def patched(self, *patches: Patch | Scaled | Merged) -> Blueprint:
        return replace(self, patches=self.patches + patches)
