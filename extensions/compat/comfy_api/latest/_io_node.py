"""The class that nodes derive from, and what their functions return."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from comfy_api.internal import (
    _ComfyNodeInternal,
    _NodeOutputInternal,
    classproperty,
    first_real_override,
    is_class,
)
from comfy_api.latest._io_schema import HiddenHolder, Schema

from .....errors import CarraraError, DeclarationError
from .....executor.spec import Blocker


class _UIOutput(ABC):
    """Something to show; `as_dict` is what the editor is sent."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]: ...


class NodeOutput(_NodeOutputInternal):
    """What a node returns. args: its outputs in order. block_execution: why nothing after it shall run.

    blocker: what stands for all outputs instead, also where nobody is told why.
    """

    def __init__(
        self,
        *args: Any,
        ui: _UIOutput | Mapping[str, Any] | None = None,
        expand: Mapping[str, Any] | None = None,
        block_execution: str | None = None,
    ) -> None:
        self.args = args
        self.ui = ui
        self.expand = expand
        self.block_execution = block_execution
        self.blocker = None if block_execution is None else Blocker(block_execution)

    @property
    def result(self) -> tuple[Any, ...] | None:
        return self.args or None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NodeOutput:
        """From `{"result": ..., "ui": ..., "expand": ...}`."""
        result = data.get("result") or ()
        outputs = () if isinstance(result, Blocker) else result
        made = cls(*outputs, ui=data.get("ui"), expand=data.get("expand"))
        made.blocker = result if isinstance(result, Blocker) else None
        return made

    def __getitem__(self, index: Any) -> Any:
        return self.args[index]


def declared(read: Callable[[Schema], Any]) -> Any:
    """A class attribute of the older interface, read from the schema."""
    return classproperty(lambda cls: read(cls._schema()))


class _ComfyNodeBaseInternal(_ComfyNodeInternal):
    """What every node class has. A class is never changed by its calls: each gets a copy with `hidden` set."""

    RELATIVE_PYTHON_MODULE: str | None = None
    SCHEMA: Schema | None = None
    hidden: HiddenHolder = None  # type: ignore[assignment]

    def __init__(self) -> None:
        type(self).VALIDATE_CLASS()

    # --- what a node defines -------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def define_schema(cls) -> Schema:
        """The node's declaration."""
        raise NotImplementedError

    @classmethod
    @abstractmethod
    def execute(cls, **kwargs: Any) -> NodeOutput:
        """What the node does; may be `async`."""
        raise NotImplementedError

    @classmethod
    def validate_inputs(cls, **kwargs: Any) -> bool | str:
        """True, or why these inputs cannot work. Only what is named is given; linked inputs are None."""
        raise NotImplementedError

    @classmethod
    def fingerprint_inputs(cls, **kwargs: Any) -> Any:
        """What the node reads beside its inputs: equal values mean that nothing changed."""
        raise NotImplementedError

    @classmethod
    def check_lazy_status(cls, **kwargs: Any) -> list[str]:
        """Which lazy inputs are wanted; those not evaluated yet are None."""
        return [name for name, value in kwargs.items() if value is None]

    # --- what is made of it --------------------------------------------------------------------------------

    @classmethod
    def GET_BASE_CLASS(cls) -> type:
        return _ComfyNodeBaseInternal

    @classmethod
    def VALIDATE_CLASS(cls) -> None:
        for name in ("define_schema", "execute"):
            if first_real_override(cls, name) is None:
                raise DeclarationError(
                    f"the node class {cls.__name__} has no {name}", remedy=f"Write a class method {name}."
                )

    @classmethod
    def FINALIZE_SCHEMA(cls) -> Schema:
        """The declaration made anew, so that its lists are up to date."""
        schema = cls.define_schema()
        schema.finalize()
        return schema

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        """The declaration made anew, checked and kept."""
        cls.VALIDATE_CLASS()
        schema = cls.FINALIZE_SCHEMA()
        schema.validate()
        cls.SCHEMA = schema
        return schema

    @classmethod
    def _schema(cls) -> Schema:
        return vars(cls).get("SCHEMA") or cls.GET_SCHEMA()

    @classmethod
    def PREPARE_CLASS_CLONE(cls, v3_data: Mapping[str, Any] | None) -> type:
        """A copy for one call that cannot be written to."""
        return for_one_call(cls if is_class(cls) else type(cls), HiddenHolder.from_v3_data(v3_data))

    @classmethod
    def GET_NODE_INFO_V1(cls) -> dict[str, Any]:
        schema = cls.GET_SCHEMA()
        return vars(schema.get_v1_info(cls)) | schema.news()

    @classmethod
    def GET_NODE_INFO_V3(cls) -> dict[str, Any]:
        schema = cls.GET_SCHEMA()
        return vars(schema.get_v3_info(cls)) | schema.news()

    @classmethod
    def EXECUTE_NORMALIZED(cls, *args: Any, **kwargs: Any) -> NodeOutput:
        return cls._normalized(cls.execute(*args, **kwargs))

    @classmethod
    async def EXECUTE_NORMALIZED_ASYNC(cls, *args: Any, **kwargs: Any) -> NodeOutput:
        return cls._normalized(await cls.execute(*args, **kwargs))  # type: ignore[misc]

    @classmethod
    def _normalized(cls, returned: Any) -> NodeOutput:
        if returned is None:
            output = NodeOutput()
        elif isinstance(returned, _NodeOutputInternal):
            output = returned  # type: ignore[assignment]
        elif isinstance(returned, tuple):
            output = NodeOutput(*returned)
        elif isinstance(returned, Mapping):
            output = NodeOutput.from_dict(returned)
        elif isinstance(returned, Blocker):
            output = NodeOutput.from_dict({"result": returned})
        else:
            raise CarraraError(
                f"{cls.__name__}.execute returned something that is no node result",
                got=type(returned).__name__,
                expected="io.NodeOutput, a tuple, a dict, an ExecutionBlocker or None",
            )
        if output.expand is not None and not cls._schema().enable_expand:
            raise CarraraError(
                f"{cls.__name__} returned a piece of graph, but its schema does not say that it may",
                remedy="Write Schema(..., enable_expand=True).",
            )
        return output

    # --- the older interface -------------------------------------------------------------------------------

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        return cls.FINALIZE_SCHEMA().get_v1_info(cls).input or {}

    FUNCTION = classproperty(
        lambda cls: "EXECUTE_NORMALIZED_ASYNC" if inspect.iscoroutinefunction(cls.execute) else "EXECUTE_NORMALIZED"
    )
    DESCRIPTION = declared(lambda schema: schema.description)
    CATEGORY = declared(lambda schema: schema.category)
    EXPERIMENTAL = declared(lambda schema: schema.is_experimental)
    DEPRECATED = declared(lambda schema: schema.is_deprecated)
    DEV_ONLY = declared(lambda schema: schema.is_dev_only)
    API_NODE = declared(lambda schema: schema.is_api_node)
    OUTPUT_NODE = declared(lambda schema: schema.is_output_node)
    INPUT_IS_LIST = declared(lambda schema: schema.is_input_list)
    NOT_IDEMPOTENT = declared(lambda schema: schema.not_idempotent)
    ACCEPT_ALL_INPUTS = declared(lambda schema: schema.accept_all_inputs)
    SEARCH_ALIASES = declared(lambda schema: schema.search_aliases)
    RETURN_TYPES = declared(lambda schema: [one.io_type for one in schema.outputs])
    RETURN_NAMES = declared(lambda schema: [one.display_name or one.io_type for one in schema.outputs])
    OUTPUT_IS_LIST = declared(lambda schema: [one.is_output_list for one in schema.outputs])
    OUTPUT_TOOLTIPS = declared(lambda schema: [one.tooltip or None for one in schema.outputs])


class ComfyNode(_ComfyNodeBaseInternal):
    """Base of all nodes of this version."""

    @classmethod
    def GET_BASE_CLASS(cls) -> type:
        return ComfyNode


class Locked(type):
    """The class of node classes that cannot be written to."""

    def __setattr__(cls, name: str, value: Any) -> None:
        if name.startswith(("__", "_abc_")):  # Python's own, as ABCMeta sets them
            super().__setattr__(name, value)
            return
        raise AttributeError(
            f"{cls.__name__}.{name} cannot be set while the node runs: calls share no state. "
            "Keep it in a dict of the class, or in the module."
        )

    def __delattr__(cls, name: str) -> None:
        raise AttributeError(f"{cls.__name__}.{name} cannot be deleted while the node runs.")


def for_one_call(cls: type, hidden: HiddenHolder) -> type:
    """A copy of a node class that holds the hidden values of one call."""
    kind = Locked if type(cls) is type else type("Locked", (Locked, type(cls)), {})
    members = {"hidden": hidden, "__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    if "SCHEMA" in vars(cls):
        members["SCHEMA"] = vars(cls)["SCHEMA"]
    return kind(cls.__name__, (cls,), members)
