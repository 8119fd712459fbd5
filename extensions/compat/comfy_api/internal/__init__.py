"""Parts that the versions of the interface share, and that the reader of foreign nodes recognises them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class ComfyAPIBase:
    """Base of every version's ComfyAPI."""

    VERSION = "base"
    STABLE = False


class ComfyAPIWithVersion(ComfyAPIBase):
    """A ComfyAPI that says which version it is."""


class _ComfyNodeInternal:
    """Base of every version's node class."""


class _NodeOutputInternal:
    """Base of every version's node result."""


class classproperty:
    """A property of the class itself."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def __get__(self, instance: object, owner: type) -> Any:
        return self.read(owner)


def is_class(value: Any) -> bool:
    """Whether this is a class and no instance of one."""
    return isinstance(value, type)


def prune_dict(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {key: value for key, value in options.items() if value is not None}


def copy_class(cls: type | None) -> type | None:
    """A subclass that stands for the class, so that what is set on it stays with it."""
    if cls is None:
        return None
    return type(cls)(cls.__name__, (cls,), {"__module__": cls.__module__, "__qualname__": cls.__qualname__})


def first_real_override(cls: type, name: str, *, base: type | None = None) -> Callable[..., Any] | None:
    """The method as the class or one of its own bases defines it, or None if only the interface's base has it."""
    base = base or cls.GET_BASE_CLASS()  # type: ignore[attr-defined]
    stub = vars(base).get(name)
    for owner in cls.__mro__:
        if owner is base:
            return None
        found = vars(owner).get(name)
        if found is not None and getattr(found, "__func__", found) is not getattr(stub, "__func__", stub):
            return getattr(cls, name)
    return None


def shallow_clone_class(cls: type, new_name: str | None = None) -> type:
    """A subclass under another name, for one call."""
    return type(cls)(new_name or f"{cls.__name__}Clone", (cls,), {"__module__": cls.__module__})


def lock_class(cls: type) -> type:
    """A subclass that cannot be written to."""

    def refuse(kind: type, name: str, value: Any) -> None:
        raise AttributeError(f"{cls.__name__}.{name} cannot be set: the class is locked.")

    kind = type("LockedMeta", (type(cls),), {"__setattr__": refuse})
    return kind(cls.__name__, (cls,), {"__module__": cls.__module__})  # type: ignore[no-any-return]


def make_locked_method_func(type_obj: type, func: str, class_clone: type) -> Callable[..., Any]:
    """A class method bound to a copy of its class."""
    return getattr(type_obj, func).__func__.__get__(class_clone)  # type: ignore[no-any-return]
