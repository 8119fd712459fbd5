"""ControlNets across the border: chains of uses as chains of objects, and foreign ones among ours."""

from __future__ import annotations

import weakref
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import UnknownFamily
from ...models.blueprint import Blueprint
from ...models.control import Chain as Running
from ...models.control import added, as_type
from ...models.controlnet import ControlNet as Network
from ...models.controlnet import controlnet_config
from ...models.denoiser import Batch
from ...models.denoiser import Network as Denoiser
from ...models.handles import ControlNet
from ...models.layouts import as_control
from ...models.residency import Residency
from ...models.unet import Control
from ...models.values import ControlUse
from ...models.weights import Weights
from ..plain import Chain
from .levels import level_of
from .runs import conducted

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.sampling import Result
    from ..host import Host

CONTROLNET = "comfy.controlnet"


def blueprint_of(weights: Weights) -> Blueprint:
    """Raises UnknownFamily where the tensors are no ControlNet in a known layout."""
    found = as_control(weights)
    if found is None:
        raise UnknownFamily("these tensors are no ControlNet in a known layout")
    return Blueprint("control", Network, controlnet_config(found), found)


class OneNet:
    """One object of ours at work during a run."""

    def __init__(self, host: Host, outside: Any, model: Any, sigma_at: Callable[[float], float]) -> None:
        handle: ControlNet = outside.handle.but(soft=outside.soft)
        self.model, self.residency = model, host.services[Residency]
        start, end = outside.timestep_percent_range
        self.use = ControlUse(handle, outside.cond_hint_original, outside.strength, start, end)
        self.outside, self.sigma_at = outside, sigma_at
        self.chain = Running(self._call, sigma_at)

    def _ready(self, x: Tensor) -> Tensor | None:
        """The hint as a pack cut it for this state: packs that sample in tiles do."""
        hint: Tensor | None = self.outside.cond_hint
        factor: int = self.use.net.network.config.factor
        if hint is None or hint.shape[-2:] != (x.shape[-2] * factor, x.shape[-1] * factor):
            return None
        return hint if len(hint) == len(x) else hint.expand(len(x), -1, -1, -1) if len(hint) == 1 else None

    def __call__(
        self, x: Tensor, t: Tensor, cond: Any, parts: int, before: Control | None
    ) -> Control | None:
        """The residuals of this net, those of the nets before it added."""
        model = self.model.effective
        batch = Batch(x, level_of(t), cond["c_crossattn"], (0,) * parts)
        hint, chain = self._ready(x), self.chain
        if hint is not None:
            chain = Running(lambda net, seen, whole, t, context: self._call(net, seen, hint, t, context), self.sigma_at)
        found = chain((self.use,), *Denoiser(model, None, self.residency).seen(batch))
        if found is None or before is None:
            return before if found is None else found
        return added(before, found)

    def _call(self, net: ControlNet, seen: Tensor, hint: Tensor, t: Tensor, context: Tensor) -> Control:
        dtype = self.residency.format(self.model.effective.unet)
        with ExitStack() as stack:
            network = stack.enter_context(self.residency.use(net.network))
            return as_type(self.residency.call(network, seen, hint, t, context), dtype)


@dataclass(frozen=True, eq=False)
class TheirControl:
    """A foreign ControlNet object. Where it is used, the run goes the ecosystem's way."""

    socket: ClassVar[str] = "CONTROL_NET"

    host: Host
    theirs: Any

    def conduct(
        self, guider: Any, noise: Any, sampler: Any, sigmas: Sequence[float], latent: Any, residency: Any, on_step: Any,
        before: Any = None,
    ) -> Result:  # fmt: skip
        return conducted(self.host, guider, noise, sampler, sigmas, latent, on_step, before)



def outward_chain(host: Host, uses: Sequence[ControlUse], made: MutableMapping[Any, Any]) -> Any:
    """The object of a chain; the same one for the same uses. made: those of this host."""
    key = tuple(map(id, uses))
    found = made.get(key)
    if found is not None:
        return found
    kind = host.modules.load(CONTROLNET).ControlNet
    chain: Any = None
    for use in uses:
        if isinstance(use.net, TheirControl):
            one = use.net.theirs
            if use.hint is not None:
                one = one.copy().set_cond_hint(use.hint, use.strength, (use.start_percent, use.end_percent))
        else:
            one = kind(handle=use.net)
            one.set_cond_hint(use.hint, use.strength, (use.start_percent, use.end_percent))
        if chain is not None:
            one.set_previous_controlnet(chain)
        chain = one
    chain.uses = tuple(uses), _said(chain)
    made[key] = chain
    return chain


def _said(outside: Any) -> Any:
    """What an object and those before it say."""
    found = []
    while outside is not None:
        about = outside.strength, tuple(outside.timestep_percent_range)
        found.append((id(outside), id(outside.cond_hint_original), *about))
        outside = outside.previous_controlnet
    return found


def inward_chain(host: Host, outside: Any) -> tuple[ControlUse, ...]:
    """The uses of a chain; those it was made of, where nothing has changed."""
    known = getattr(outside, "uses", None)
    if known is not None and known[1] == _said(outside):
        return known[0]  # type: ignore[no-any-return]
    kind = host.modules.load(CONTROLNET).ControlNet
    uses: list[ControlUse] = []
    one = outside
    while one is not None:
        if type(one) is not kind or one.handle is None or one.cond_hint_original is None:
            return (ControlUse(TheirControl(host, outside), None),)  # type: ignore[arg-type]
        start, end = one.timestep_percent_range
        net = one.handle if one.soft == one.handle.soft else one.handle.but(soft=one.soft)
        uses.insert(0, ControlUse(net, one.cond_hint_original, one.strength, start, end))
        one = one.previous_controlnet
    return tuple(uses)


def rows(host: Host) -> tuple[Any, ...]:
    """CONTROL_NET, and the chains that conditionings hold."""
    from ..border import Kind

    made: MutableMapping[Any, Any] = weakref.WeakValueDictionary()

    def is_control(value: Any) -> bool:
        loaded = host.modules.loaded().get(CONTROLNET)
        return loaded is not None and isinstance(value, loaded.ControlBase)

    def net_in(value: Any, border: Any) -> Any:
        ours = type(value) is host.modules.load(CONTROLNET).ControlNet and value.handle is not None
        if ours and value.soft == value.handle.soft and value.cond_hint_original is None:
            return value.handle
        return TheirControl(host, value)

    return (
        Kind(
            "CONTROL_NET", ControlNet, is_control,
            lambda value, border: host.modules.load(CONTROLNET).ControlNet(handle=value), net_in,
        ),
        Kind("CONTROL_NET ", TheirControl, lambda value: False, lambda value, border: value.theirs, net_in),
        Kind(
            "CONTROL", Chain, is_control, lambda value, border: outward_chain(host, value.uses, made),
            lambda value, border: Chain(inward_chain(host, value)),
        ),
    )  # fmt: skip
