"""Gathering what a node is called with: inputs, context, hidden parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .bound import Bound, Checked
from .cache import Values
from .calls import Job, Recipe
from .context import Context
from .prompt import DynPrompt
from .report import Report
from .result import Cancel

if TYPE_CHECKING:
    from .run import Executor


class Jobs:
    """Makes the jobs of one run. `halted` stops those that are under way, as the user's cancelling does."""

    def __init__(
        self,
        executor: Executor,
        checked: Checked,
        cancel: Cancel,
        workflow: Mapping[str, Any] | None,
        report: Report,
        hidden: Mapping[str, Any],
        made: Mapping[str, Any],
    ) -> None:
        self.halted = False
        self._executor = executor
        self._checked = checked
        self._cancel = cancel
        self._workflow = workflow
        self._report = report
        self._hidden_values = hidden
        self._prompt: Mapping[str, Any] | None = None
        self._dynamic = DynPrompt(self._as_prompt, made, report.lineage)

    def make(
        self,
        id: str,
        bound: Bound,
        recipe: Recipe,
        values: Mapping[str, Values],
        same: Callable[[str], str],
        asked: frozenset[str],
    ) -> Job:
        """A node with all it is to be called with. Linked inputs without values are lazy ones.

        asked: lazy inputs that its `needs` hook named. It sees of the others only values of nodes that it waits for
        anyhow: what it gives must not depend on what else happens to have run.
        """
        lazy = recipe.lazy - recipe.wrapped - asked
        awaited = {source for param, source, _ in bound.wires if param not in lazy} if lazy else ()
        inputs: dict[str, list[Any]] = {name: [value] for name, value in bound.literals.items()}
        missing: set[str] = set()
        for param, source, slot in bound.wires:
            if param in recipe.raw:
                inputs[param] = [[source, slot]]
                continue
            found = None if param in lazy and source not in awaited else values.get(same(source))
            if found is None:
                missing.add(param)
            else:
                inputs[param] = found[slot]
        spec = bound.spec
        context = Context(
            node_id=id,
            title=bound.title,
            prompt=self._as_prompt() if spec.context else None,
            workflow=self._workflow,
            services=self._executor.services,
            report=lambda value, total, preview: self._report.progress(id, value, total, preview),
            cancelled=lambda: self.halted or self._cancel.is_set(),
        )
        extra = {param: self._hidden(what, id) for param, what in spec.hidden.items()}
        if spec.context is not None:
            extra[spec.context] = context
        return Job(id, recipe, inputs, frozenset(missing), context, extra)

    def _as_prompt(self) -> Mapping[str, Any]:
        if self._prompt is None:
            self._prompt = self._checked.api()
        return self._prompt

    def _hidden(self, what: str, id: str) -> Any:
        if what == "UNIQUE_ID":
            return id
        if what == "PROMPT":
            return self._as_prompt()
        if what == "DYNPROMPT":
            return self._dynamic
        if what in self._hidden_values:
            return self._hidden_values[what]
        if what == "EXTRA_PNGINFO":
            return None if self._workflow is None else {"workflow": self._workflow}
        return None
