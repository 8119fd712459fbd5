"""What a node class declares, and the forms in which the editor reads it."""

# No postponed annotations: dataclasses look their text up in sys.modules, where this module is not.

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Self

from comfy_api.internal import prune_dict
from comfy_api.latest._io_base import DynamicInput, Input, Output, WidgetInput
from comfy_api.latest._io_combos import Combo
from comfy_api.latest._io_dynamic import MatchType, options_of
from comfy_api.latest._io_widgets import Float, Int

from .....errors import DeclarationError


class Hidden(str, Enum):  # noqa: UP042
    """What a node may ask of the run instead of the graph."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"
    api_key_comfy_org = "API_KEY_COMFY_ORG"
    comfy_usage_source = "COMFY_USAGE_SOURCE"


NAMES = {each.value: each.name for each in Hidden}


class HiddenHolder:
    """The hidden values of one call, as attributes; what was not asked for is None."""

    def __init__(self, *values: Any, **more: Any) -> None:
        vars(self).update(dict.fromkeys(NAMES.values()))
        vars(self).update(zip(NAMES.values(), values, strict=False))
        vars(self).update(more)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    @classmethod
    def from_dict(cls, values: Mapping[Any, Any] | None) -> Self:
        """values: by Hidden member, its name, or its value."""
        return cls(**{NAMES.get(key, key): value for key, value in (values or {}).items()})

    @classmethod
    def from_v3_data(cls, v3_data: Mapping[str, Any] | None) -> Self:
        return cls.from_dict(v3_data["hidden_inputs"] if v3_data else None)


V3Data = dict


@dataclass
class NodeInfoV1:
    """A node's entry in the listing."""

    input: dict[str, Any] | None = None
    input_order: dict[str, list[str]] | None = None
    output: list[str] | None = None
    output_is_list: list[bool] | None = None
    output_name: list[str] | None = None
    output_tooltips: list[str | None] | None = None
    output_matchtypes: list[str | None] | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    python_module: Any = None
    category: str | None = None
    output_node: bool | None = None
    deprecated: bool | None = None
    experimental: bool | None = None
    api_node: bool | None = None


@dataclass
class NodeInfoV3:
    """The same, with inputs and outputs by id."""

    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    hidden: list[str] | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    python_module: Any = None
    category: str | None = None
    output_node: bool | None = None
    deprecated: bool | None = None
    experimental: bool | None = None
    api_node: bool | None = None


@dataclass
class PriceBadgeDepends:
    """The inputs that a price depends on."""

    widgets: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    input_groups: list[str] = field(default_factory=list)


@dataclass
class PriceBadge:
    """A price that the editor works out."""

    expr: str
    depends_on: PriceBadgeDepends = field(default_factory=PriceBadgeDepends)
    engine: str = "jsonata"

    def as_dict(self, inputs: list[Input]) -> dict[str, Any]:
        types = {one.id: one.get_io_type() for one in inputs}
        depends = asdict(self.depends_on)
        depends["widgets"] = [{"name": name, "type": types.get(name, "*")} for name in self.depends_on.widgets]
        return {"engine": self.engine, "depends_on": depends, "expr": self.expr}


@dataclass
class Schema:
    """The declaration of a node."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    search_aliases: list[str] = field(default_factory=list)
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    is_api_node: bool = False
    price_badge: PriceBadge | None = None
    not_idempotent: bool = False
    enable_expand: bool = False
    accept_all_inputs: bool = False
    essentials_category: str | None = None
    has_intermediate_output: bool = False
    loop_boundary: str | None = None

    def finalize(self) -> None:
        """Give unnamed outputs an id, and output nodes what they write into files."""
        self.inputs = list(self.inputs or ())
        self.outputs = list(self.outputs or ())
        self.hidden = list(self.hidden or ())
        wanted: list[Hidden] = []
        if self.is_api_node:
            wanted += [Hidden.auth_token_comfy_org, Hidden.api_key_comfy_org]
        if self.is_output_node:
            wanted += [Hidden.prompt, Hidden.extra_pnginfo]
        self.hidden += [each for each in wanted if each not in self.hidden]
        for index, output in enumerate(self.outputs):
            if isinstance(output, Output) and output.id is None:
                output.id = f"_{index}_{output.io_type}_"

    def validate(self) -> None:
        """Raises DeclarationError where the declaration contradicts itself."""
        if not isinstance(self.node_id, str) or not self.node_id:
            self._fail("it has no node_id", self.node_id, "Give Schema(node_id=...) a name nobody else uses.")
        for kind, base in ((self.inputs, Input), (self.outputs, Output)):
            for one in kind:
                if not isinstance(one, base):
                    self._fail(f"something among its {base.__name__.lower()}s is none", one, "Write io.Int.Input(...).")
        inputs = [one.id for one in self.inputs]
        outputs = [str(one.id) for one in self.outputs]
        self._once(inputs, "two inputs have the same id")
        self._once(outputs, "two outputs have the same id")
        for one in (*self.inputs, *self.outputs):
            one.validate()
        for one in self.inputs:
            if isinstance(one, WidgetInput) and not isinstance(one, DynamicInput):
                self._default(one)

    def _once(self, ids: list[str], message: str) -> None:
        twice = [id for id, count in Counter(ids).items() if count > 1]
        if twice:
            self._fail(message, ", ".join(twice), "Give each an id of its own.")

    def _default(self, one: WidgetInput) -> None:
        """A default that cannot be one. Lists may be stale, so membership is left to the run."""
        value = one.default
        if value is None:
            return
        if isinstance(one, Int.Input | Float.Input):
            if isinstance(value, bool) or not isinstance(value, int | float):
                self._fail(f"the default of {one.id} is no number", value, "Write default=0.")
            low, high = one.min, one.max
            if low is not None and high is not None and low > high:
                self._fail(f"{one.id} has a min above its max", f"{low} > {high}", "Exchange them.")
        elif isinstance(one, Combo.Input) and one.multiselect and isinstance(value, str):
            self._fail(f"the default of {one.id} is one value", value, "A MultiCombo takes a list.")

    def _fail(self, message: str, got: Any, remedy: str) -> None:
        raise DeclarationError(f"node {self.node_id}: {message}", got=got, remedy=remedy)

    def get_v1_info(self, cls: type) -> NodeInfoV1:
        inputs = options_of(self.inputs)
        if self.hidden:
            inputs["hidden"] = {each.name: (each.value,) for each in self.hidden}
        matches = [one.template.template_id if isinstance(one, MatchType.Output) else None for one in self.outputs]
        return NodeInfoV1(
            input=inputs,
            input_order={group: list(found) for group, found in inputs.items()},
            output=[one.io_type for one in self.outputs],
            output_is_list=[one.is_output_list for one in self.outputs],
            output_name=[one.display_name or one.io_type for one in self.outputs],
            output_tooltips=[one.tooltip or None for one in self.outputs],
            output_matchtypes=matches if any(matches) else None,
            **self._described(cls),
        )

    def get_v3_info(self, cls: type) -> NodeInfoV3:
        return NodeInfoV3(
            input={one.id: (one.get_io_type(), one.as_dict()) for one in self.inputs},
            output={str(one.id): (one.get_io_type(), one.as_dict()) for one in self.outputs},
            hidden=[each.value for each in self.hidden],
            **self._described(cls),
        )

    def _described(self, cls: type) -> dict[str, Any]:
        return {
            "name": self.node_id,
            "display_name": self.display_name,
            "description": self.description,
            "python_module": getattr(cls, "RELATIVE_PYTHON_MODULE", None) or "nodes",
            "category": self.category,
            "output_node": self.is_output_node,
            "deprecated": self.is_deprecated,
            "experimental": self.is_experimental,
            "api_node": self.is_api_node,
        }

    def news(self) -> dict[str, Any]:
        """What newer editors read too, where the node says it."""
        return prune_dict(
            {
                "search_aliases": list(self.search_aliases) or None,
                "dev_only": self.is_dev_only or None,
                "essentials_category": self.essentials_category,
                "has_intermediate_output": self.has_intermediate_output or None,
                "price_badge": None if self.price_badge is None else self.price_badge.as_dict(self.inputs),
            }
        )


def create_input_dict_v1(inputs: list[Input]) -> dict[str, dict[str, Any]]:
    return options_of(inputs)


def add_to_dict_v1(i: Input, d: dict[str, dict[str, Any]]) -> None:
    for group, found in options_of([i]).items():
        d.setdefault(group, {}).update(found)


def add_to_dict_v3(io: Input | Output, d: dict[str, Any]) -> None:
    d[str(io.id)] = (io.get_io_type(), io.as_dict())
