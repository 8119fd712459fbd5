"""Skip evaluations while little changes, and guess their answers: the last answer's distance from its input is kept.

EasyCache: Zhou et al. 2025, arXiv:2507.02860. How much an answer will change is guessed from how much the input has
changed, at the rate last seen; guesses are made as long as their sum stays below a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from ..samplers.integrate import Ask, Estimates
    from ..samplers.levels import Levels
    from .conds import Part

STRIDE = 8
"""Changes are measured on every eighth cell of both sides."""

Network = Callable[[], "Tensor"]


def sampled(x: Tensor) -> Tensor:
    return x[..., ::STRIDE, ::STRIDE].clone()


@dataclass
class Gauge:
    """What was last seen of a function, and how much its guesses since add up to."""

    threshold: float
    total: float = 0.0
    rate: float | None = None
    size: float | None = None
    x: Tensor | None = None
    answer: Tensor | None = None

    def moved(self, x: Tensor) -> float | None:
        """By how much the input has changed."""
        return None if self.x is None else float((sampled(x) - self.x).abs().mean())

    def allows(self, moved: float | None) -> bool:
        """Whether the answer may be guessed once more."""
        if moved is None or self.size is None or self.rate is None:
            return False
        self.total += self.rate * moved / self.size
        if self.total < self.threshold:
            return True
        self.total = 0.0
        return False

    def saw(self, x: Tensor, answer: Tensor, size: float, moved: float | None) -> None:
        """A true answer. size: its mean absolute value."""
        if self.answer is not None and moved is not None:
            change = float((sampled(answer) - self.answer).abs().mean())
            self.rate = change / moved if moved else float("inf")
        self.x, self.answer, self.size = sampled(x), sampled(answer), size


class Reusing(Protocol):
    """One run. Guesses are made between the levels `first` and `last`."""

    def begin(self) -> None:
        """Ahead of the network calls of one evaluation."""
        ...

    def network(self, x: Tensor, parts: Sequence[Part], sigma: float, network: Network) -> Tensor:
        """A network's output for x, n·b c h w, made or guessed."""
        ...

    def asked(self, ask: Ask) -> Ask:
        """Guided estimates, made or guessed."""
        ...


class Reuse(Protocol):
    def start(self, levels: Levels) -> Reusing: ...


@dataclass(frozen=True)
class OfNetwork:
    """Guess the network's output, for each part of the conditionings; the first one decides for all."""

    threshold: float = 0.2
    start_percent: float = 0.15
    end_percent: float = 0.95

    def start(self, levels: Levels) -> NetworkReuse:
        first, last = levels.percent_to_sigma(self.start_percent), levels.percent_to_sigma(self.end_percent)
        return NetworkReuse(self.threshold, first, last)


@dataclass
class NetworkReuse:
    threshold: float
    first: float
    last: float
    skipping: bool = False
    leader: Part | None = None
    shape: tuple[int, ...] | None = None
    gauge: Gauge = field(init=False)
    gaps: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gauge = Gauge(self.threshold)

    def begin(self) -> None:
        self.skipping = False

    def asked(self, ask: Ask) -> Ask:
        return ask

    def network(self, x: Tensor, parts: Sequence[Part], sigma: float, network: Network) -> Tensor:
        import torch

        if sigma <= self.last:
            return network()
        moved, mine = None, None
        each = dict(zip(map(id, parts), x.chunk(len(parts)), strict=True))
        if sigma <= self.first:
            self._fit(x)
            if not self.skipping:
                self.leader = self.leader if self.leader is not None else parts[0]
                mine = each.get(id(self.leader))
                moved = None if mine is None else self.gauge.moved(mine)
                self.skipping = mine is not None and self.gauge.allows(moved)
            if self.skipping:
                return torch.cat([one + self.gaps[part] for part, one in each.items()])
        out = network()
        for (part, one), answer in zip(each.items(), out.chunk(len(parts)), strict=True):
            self.gaps[part] = answer - one
            if mine is one:
                self.gauge.saw(one, answer, float(out.abs().mean()), moved)
        return out

    def _fit(self, x: Tensor) -> None:
        """Begin anew where the picture has another size."""
        shape = tuple(x.shape[1:])
        if self.shape not in (None, shape):
            self.gauge, self.leader, self.skipping = Gauge(self.threshold), None, False
        self.shape = shape


@dataclass(frozen=True)
class OfGuidance:
    """Guess the guided estimate, whatever makes it. Samplers that read the negative side then see the last one."""

    threshold: float = 0.2
    start_percent: float = 0.15
    end_percent: float = 0.95

    def start(self, levels: Levels) -> GuidanceReuse:
        first, last = levels.percent_to_sigma(self.start_percent), levels.percent_to_sigma(self.end_percent)
        return GuidanceReuse(self.threshold, first, last)


@dataclass(frozen=True)
class GuidanceReuse:
    threshold: float
    first: float
    last: float

    def begin(self) -> None:
        """Nothing to do: no network call is skipped by itself."""

    def network(self, x: Tensor, parts: Sequence[Part], sigma: float, network: Network) -> Tensor:
        return network()

    def asked(self, ask: Ask) -> Ask:
        gauge = Gauge(self.threshold)
        seen: tuple[Tensor, Estimates] | None = None

        def asked(x: Tensor, sigma: float) -> Estimates:
            nonlocal gauge, seen
            if sigma <= self.last:
                return ask(x, sigma)
            moved = None
            if sigma <= self.first:
                if seen is not None and seen[0].shape != x.shape:
                    gauge, seen = Gauge(self.threshold), None
                moved = gauge.moved(x)
                if seen is not None and gauge.allows(moved):
                    return seen[1]._replace(guided=x + (seen[1].guided - seen[0]))
            found = ask(x, sigma)
            gauge.saw(x, found.guided, float(found.guided.abs().mean()), moved)
            seen = x, found
            return found

        return asked
