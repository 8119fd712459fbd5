"""One instance per class."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


class ProxiedSingleton:
    """A class of which there is one instance. Calling it again gives the same one."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        found = vars(cls).get("_instance")
        if found is None:
            found = super().__new__(cls)
            cls._instance = found
        return found

    @classmethod
    def get_instance(cls: type[T]) -> T:
        return cls()
