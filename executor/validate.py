"""graph x catalogue -> everything that is wrong, and the graph bound to its node classes.

Only what an output needs is looked at, as the protocol says. One pass, no recursion.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Problem
from .awaiting import settled
from .bound import MISSING, Bound, Checked, Wire
from .context import Blocker, Context
from .graph import Graph, Link, Malformed, Node, walk
from .literals import REFUSED, Check, printable
from .ports import Hook
from .spec import Catalog
from .table import Table, fits

__all__ = ["Bound", "Checked", "Wire", "fits", "validate"]
SUGGESTIONS = 50


def validate(
    graph: Graph, catalogue: Catalog, context: Context | None = None, targets: Iterable[str] | None = None
) -> Checked:
    """Check all that the output nodes (or `targets`) need. Never raises for a bad graph."""
    return _Validation(graph, catalogue, context or Context()).run(targets)


class _Validation:
    def __init__(self, graph: Graph, catalogue: Catalog, context: Context) -> None:
        self.graph = graph
        self.catalogue = catalogue
        self.context = context
        self.problems: list[Problem] = []
        self.bound: dict[str, Bound] = {}
        self.bad: set[str] = set()
        self.tables: dict[str, Table] = {}
        self.joins: dict[tuple[Any, Any], bool] = {}
        self.similar: dict[str, list[str]] = {}
        self.outputs: frozenset[str] = frozenset()

    def run(self, targets: Iterable[str] | None) -> Checked:
        self._classes()
        chosen = self._targets(targets)
        self.outputs = frozenset(chosen)
        order, cycles = walk((id for id in chosen if id in self.graph), self._needs)
        for cycle in cycles:
            self._cycle(cycle)
        good = self._sound(order)
        ordered = {id: self.bound[id] for id in order if id in self.bound}
        return Checked(
            self.graph,
            ordered,
            tuple(self.problems),
            chosen,
            tuple(id for id in chosen if id in good),
        )

    def _classes(self) -> None:
        """Every class of the file must be known, needed or not."""
        for id, node in self.graph.items():
            if node.type in self.tables:
                continue
            spec = self.catalogue.get(node.type)
            if spec is not None:
                self.tables[node.type] = Table(spec, self.context)
                continue
            self.bad.add(id)
            if not node.type:
                self._say(id, "", "invalid_prompt", "it has no class_type.", remedy="Save the workflow again.")
                continue
            remedy = self.catalogue.absent.get(node.type, "")
            if not remedy:
                close = self._similar(node.type)
                remedy = f"Did you mean {' or '.join(close)}?" if close else "Install the node pack that has it."
            self._say(id, "", "invalid_prompt", f"no node is called {node.type}.", got=node.type, remedy=remedy)

    def _similar(self, kind: str) -> list[str]:
        """Suggestions cost time: one search for each class, and none once there are very many."""
        if kind not in self.similar:
            self.similar[kind] = self.catalogue.similar(kind) if len(self.similar) < SUGGESTIONS else []
        return self.similar[kind]

    def _targets(self, targets: Iterable[str] | None) -> tuple[str, ...]:
        if targets is None:
            chosen = [id for id, node in self.graph.items() if self._is_output(node)]
        else:
            chosen = list(dict.fromkeys(targets))
            for id in chosen:
                if id not in self.graph:
                    self._say(id, "", "prompt_no_outputs", f"there is no node {id}.", got=id, expected="a node's id")
        if not chosen:
            self._say(
                "",
                "",
                "prompt_no_outputs",
                "the workflow has no output node.",
                expected="a node that saves or shows something",
                remedy="Add one, SaveImage for example.",
            )
        return tuple(chosen)

    def _is_output(self, node: Node) -> bool:
        table = self.tables.get(node.type)
        return table is not None and table.spec.output

    def _needs(self, id: str) -> list[str]:
        """Binds the node; what it needs, the last input first, so that the first is walked first."""
        node = self.graph[id]
        table = self.tables.get(node.type)
        if table is None:
            return []
        before = len(self.problems)
        bound = self._bind(node, table)
        self.bound[id] = bound
        if table.spec.validate is not None and _may_judge(table.spec.validate, self.problems[before:]):
            self._custom(bound)
        if len(self.problems) != before:
            self.bad.add(id)
        graph = self.graph
        return [wire.source for wire in reversed(bound.wires) if wire.source in graph]

    def _bind(self, node: Node, table: Table) -> Bound:
        literals: dict[str, Any] = {}
        wires: list[Wire] = []
        inputs = node.inputs
        seen = 0
        for check in table.checks:
            port = check.port
            value = inputs.get(port.name, MISSING)
            if value is MISSING:
                if port.required:
                    self._missing(node, check)
                elif port.has_default:
                    # Written down, so that a changed default is a changed fingerprint.
                    literals[port.param] = port.default
                continue
            seen += 1
            self._take(node, table, check, value, literals, wires)
        if table.dynamic:
            for check, required in table.unfolded(inputs):
                value = inputs.get(check.port.name, MISSING)
                if value is not MISSING:
                    seen += 1
                    self._take(node, table, check, value, literals, wires)
                elif required:
                    self._missing(node, check)
                elif check.port.has_default:
                    literals[check.port.param] = check.port.default
        if seen < len(inputs) and (table.spec.variadic or table.spec.open):
            for name, value in inputs.items():
                if name in table.names:
                    continue
                if type(value) is Link:
                    if self._link(node, name, "*", value):
                        wires.append(Wire(name, value.node, value.slot))
                elif table.spec.open:
                    literals[name] = value.value if type(value) is Malformed else value
        return Bound(node, table.spec, literals, wires)

    def _take(
        self, node: Node, table: Table, check: Check, value: Any, literals: dict[str, Any], wires: list[Wire]
    ) -> None:
        """One input that the file gives."""
        port = check.port
        kind = type(value)
        if kind is Link:
            if port.modes:
                self._chosen_by_link(node, port.name)
            elif self._link(node, port.name, "*" if table.links_free else check.wanted, value):
                wires.append(Wire(port.param, value.node, value.slot))
        elif kind is Malformed:
            self._malformed(node, port.name, port.type, value)
        else:
            value = check.literal(node.id, value, self.problems)
            if value is not REFUSED:
                literals[port.param] = value

    def _link(self, node: Node, name: str, wanted: Any, link: Link) -> bool:
        """Whether the link leads to a node, which is then looked at too, even if the link itself is wrong."""
        source = self.graph.get(link.node)
        if source is None:
            self._dangling(node, name, f"there is no node {link.node}.", link, "Link it again, or remove the link.")
            return False
        table = self.tables.get(source.type)
        if table is None:
            return True
        types = table.types
        if not 0 <= link.slot < len(types):
            count = len(types)
            said = f"node {link.node} ({source.type}) has {count} outputs, none is number {link.slot}."
            self._dangling(node, name, said, link, "")
            return True
        given = types[link.slot]
        join = (given, wanted)
        try:
            ok = self.joins[join]
        except (KeyError, TypeError):
            ok = fits(given, wanted)
            if type(given) is str and type(wanted) is str:
                self.joins[join] = ok
        if not ok:
            self._say(
                node.id,
                name,
                "return_type_mismatch",
                f"{name} takes {wanted}, but output {link.slot} of node {link.node} ({source.type}) gives {given}.",
                got=given,
                expected=wanted,
                remedy=f"Link {name} to an output of type {wanted}.",
            )
        return True

    def _custom(self, bound: Bound) -> None:
        hook = bound.spec.validate
        assert hook is not None
        try:
            values = bound.seen(hook)
            judged = [name for name in values if hook.wants(name) and not name.startswith(" ")]
            if "input_types" in hook.names:
                values["input_types"] = self._types(bound)
                judged.append("input_types")
            said = settled(hook(values, self.context))
        except Exception as error:
            self._say(
                bound.node.id,
                "",
                self._raised_at(bound.node.id),
                f"its check failed: {error}",
                got=traceback.format_exception_only(error)[-1].strip(),
            )
            return
        if said is True or isinstance(said, Blocker) or (said is None and not hook.classic):
            return
        if hook.classic and not isinstance(said, Mapping):
            reasons: Mapping[str, Any] = dict.fromkeys(judged or [""], said)
        else:
            reasons = said if isinstance(said, Mapping) else {"": said}
        for name, reason in reasons.items():
            text = reason if isinstance(reason, str) else "the node refuses these values."
            given = bound.literals.get(name) if name else None
            self._say(bound.node.id, name, "custom_validation_failed", text, got=printable(given))

    def _types(self, bound: Bound) -> dict[str, Any]:
        """The types of what is linked, by input."""
        found: dict[str, Any] = {}
        for param, source, slot in bound.wires:
            table = self.tables.get(self.graph[source].type)
            if table is not None and 0 <= slot < len(table.types):
                found[param] = table.types[slot]
        return found

    # --- soundness -----------------------------------------------------------------------------------------

    def _sound(self, order: list[str]) -> set[str]:
        """Nodes without a problem in themselves or above."""
        good: set[str] = set()
        for id in order:
            if id not in self.bad and id in self.bound and all(w.source in good for w in self.bound[id].wires):
                good.add(id)
        return good

    # --- words ---------------------------------------------------------------------------------------------

    def _say(self, node: str, input: str, type: str, message: str, **more: Any) -> None:
        self.problems.append(Problem(node, input, type, message, **more))

    def _missing(self, node: Node, check: Check) -> None:
        port = check.port
        remedy = f"Link it to an output of type {port.type}."
        if port.widget:
            remedy = f"Give {port.default!r}, its usual value." if port.has_default else "Give a value."
        self._say(
            node.id, port.name, "required_input_missing", f"{port.name} is missing.", expected=port.type, remedy=remedy
        )

    def _chosen_by_link(self, node: Node, name: str) -> None:
        self._say(
            node.id,
            name,
            "invalid_input_type",
            f"{name} decides which other inputs there are, so it takes a value, not a link.",
            got="a link",
            expected="one of its names",
            remedy="Choose one.",
        )

    def _malformed(self, node: Node, name: str, wanted: Any, value: Malformed) -> None:
        self._say(
            node.id,
            name,
            "bad_linked_input",
            f"{name} is a list, but no link.",
            got=printable(value.value),
            expected='["node id", output number]',
            remedy='Write a list that is a value as {"__value__": [...]}.',
        )

    def _dangling(self, node: Node, name: str, message: str, link: Link, remedy: str) -> None:
        where = self._raised_at(node.id)
        self._say(node.id, name, where, f"{name}: {message}", got=[link.node, link.slot], remedy=remedy)

    def _raised_at(self, id: str) -> str:
        return "exception_during_validation" if id in self.outputs else "exception_during_inner_validation"

    def _cycle(self, path: list[str]) -> None:
        self.bad.update(path)
        shown = path if len(path) <= 12 else [*path[:6], "…", *path[-5:]]
        text = " → ".join(shown)
        self._say(
            path[0],
            "",
            "prompt_outputs_failed_validation",
            f"nodes feed themselves: {text}.",
            got=text,
            expected="links that lead from inputs to outputs only",
            remedy="Cut one of these links.",
        )


def _may_judge(hook: Hook, found: Iterable[Problem]) -> bool:
    """Whether the node's own check runs beside faults found already: not when it looks at an input that has one."""
    wrong = [problem.input for problem in found]
    return not wrong or (hook.classic and not any(hook.wants(name) for name in wrong))
