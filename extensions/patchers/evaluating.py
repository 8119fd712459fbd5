"""One level of a run with foreign hooks: conditioning dicts in, blended clean estimates out.

What is batched, weighed and blended is ours; the network is reached through the model object, so that every wrapper and
patch on the way is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported
from ...models.batching import Job
from ...models.conds import Grid, Part, weight_map
from ...models.denoiser import Batch, Evaluator
from ...models.unet import Control
from .conds import Entry, part_of
from .levels import EXACT, level_of
from .options import copied, merged

if TYPE_CHECKING:
    from torch import Tensor

KNOWN = ("c_crossattn", "c_concat")


def blended(
    model: Any, conds: Sequence[Sequence[Entry] | None], x: Tensor, timestep: Tensor, options: Mapping[str, Any]
) -> list[Tensor]:
    """The estimate for each list of dicts; zeros where a list is None or says nothing here."""
    import torch

    grid = Grid(x.shape[0], *x.shape[-2:])
    said: dict[int, Entry] = {}
    texts: list[list[Job]] = []
    kept: list[Part] = []  # so that ids stay theirs
    for side, entries in enumerate(conds):
        jobs = []
        for entry in entries or ():
            part = part_of(entry, x)
            kept.append(part)
            said[id(part.given)] = entry
            jobs.append(Job(part, side, weight_map(part, grid)))
        texts.append(jobs)
    patcher = getattr(model, "current_patcher", None)
    if patcher is not None:
        patcher.prepare_state(timestep)
    call = Caller(model, said, grid, timestep, options, patcher)
    answers = Evaluator(grid, call.apply, lambda uses, batch: None)(x, level_of(timestep), texts, None)
    return [answers[side] if texts[side] else torch.zeros_like(x) for side in range(len(conds))]


class Caller:
    """The network calls of one level."""

    def __init__(
        self, model: Any, said: Mapping[int, Entry], grid: Grid, timestep: Tensor, options: Mapping[str, Any],
        patcher: Any,
    ) -> None:  # fmt: skip
        self.model, self.said, self.grid, self.timestep = model, said, grid, timestep
        self.options, self.patcher = options, patcher

    def apply(self, batch: Batch) -> Tensor:
        import torch

        entries = [self.said[id(part.given)] for part in batch.parts]
        sides = list(batch.sides)
        timestep = torch.cat([self.timestep[: self.grid.batch].expand(self.grid.batch)] * len(sides))
        setattr(timestep, EXACT, level_of(self.timestep))
        given: dict[str, Any] = {"c_crossattn": batch.context}
        if batch.concat is not None:
            given["c_concat"] = batch.concat
        given |= self._more(entries)
        inside = self._inside(entries, sides)
        given["transformer_options"] = inside
        before = self.model.__dict__.get("before") if hasattr(self.model, "__dict__") else None
        if before is not None:
            before()
        control = entries[0].get("control")
        if control is not None:
            given["control"] = control.get_control(batch.noisy, timestep, given, len(sides), inside)
        wrapper: Callable[..., Tensor] | None = self.options.get("model_function_wrapper")
        if wrapper is None:
            return self.model.apply_model(batch.noisy, timestep, **given)  # type: ignore[no-any-return]
        about = {"input": batch.noisy, "timestep": timestep, "c": given, "cond_or_uncond": sides}
        return wrapper(self.model.apply_model, about)

    def _more(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """What conditionings hand over beside text and picture, batched in their own ways."""
        tables = [entry.get("model_conds", {}) for entry in entries]
        names = [name for name in tables[0] if name not in KNOWN and all(name in table for table in tables)]
        made = {}
        for name in names:
            first, *others = [
                table[name].process_cond(batch_size=self.grid.batch, device=self.timestep.device) for table in tables
            ]
            made[name] = first.concat(others)
        return made

    def _inside(self, entries: Sequence[Entry], sides: list[int]) -> dict[str, Any]:
        """Options of their own for this call, so that patches may write into them."""
        hooks = entries[0].get("hooks")
        if getattr(hooks, "hooks", None):
            raise Unsupported("changes of weights during a run", got="hooks", remedy="Sample without them.")
        if entries[0].get("gligen") is not None:
            raise Unsupported("boxes for GLIGEN on a conditioning", got="gligen", remedy="Sample without it.")
        more = {} if self.patcher is None else self.patcher.apply_hooks(hooks=hooks) or {}
        inside = merged(more, self.options.get("transformer_options", {})) if more else copied(
            self.options.get("transformer_options", {})
        )  # fmt: skip
        inside["cond_or_uncond"] = sides
        inside["uuids"] = [entry.get("uuid") for entry in entries]
        inside["sigmas"] = self.timestep
        return inside


def control_of(outside: Any) -> Control | None:
    """The residuals a ControlNet object gives: a table of lists, deepest last, taken from the end."""
    if outside is None or isinstance(outside, Control):
        return outside
    middle = [value for value in outside.get("middle", ()) if value is not None]
    skips = tuple(outside.get("output", ()))
    found = outside.get("input")
    if found and not skips:
        skips = tuple(found)
    return Control(skips, middle[-1] if middle else None)


def control_table(control: Control | None) -> dict[str, list[Any]] | None:
    if control is None:
        return None
    return {"input": [], "middle": [control.middle], "output": list(control.skips)}
