"""What foreign code keeps on a patcher: callbacks and wrappers by kind and key, attachments, injections, models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Table = dict[str, dict[Any, list[Callable[..., Any]]]]
"""Kind -> key -> functions."""


def everything(table: Table, kind: str) -> list[Callable[..., Any]]:
    return [function for functions in table.get(kind, {}).values() for function in functions]


def copied(table: Table) -> Table:
    return {kind: {key: list(functions) for key, functions in keys.items()} for kind, keys in table.items()}


class Kept:
    """Stores by kind. Clones have copies of the stores."""

    def __init__(self) -> None:
        self.callbacks: Table = {}
        self.wrappers: Table = {}
        self.attachments: dict[str, Any] = {}
        self.additional_models: dict[str, list[Any]] = {}
        self.injections: dict[str, list[Any]] = {}
        self.is_injected = False
        self.skip_injection = False

    def _keep_like(self, other: Kept) -> None:
        self.callbacks, self.wrappers = copied(other.callbacks), copied(other.wrappers)
        self.attachments = {
            key: found.on_model_patcher_clone() if hasattr(found, "on_model_patcher_clone") else found
            for key, found in other.attachments.items()
        }
        self.additional_models = {key: [m.clone() for m in models] for key, models in other.additional_models.items()}
        self.injections = {key: list(found) for key, found in other.injections.items()}

    @property
    def stores(self) -> dict[str, Any]:
        """All that is kept, by name."""
        names = ("callbacks", "wrappers", "attachments", "additional_models", "injections")
        return {name: getattr(self, name) for name in names}

    # --- callbacks and wrappers ---------------------------------------------------------------------------

    def add_callback(self, call_type: str, callback: Callable[..., Any]) -> None:
        self.add_callback_with_key(call_type, None, callback)

    def add_callback_with_key(self, call_type: str, key: Any, callback: Callable[..., Any]) -> None:
        self.callbacks.setdefault(call_type, {}).setdefault(key, []).append(callback)

    def remove_callbacks_with_key(self, call_type: str, key: Any) -> None:
        self.callbacks.get(call_type, {}).pop(key, None)

    def get_callbacks(self, call_type: str, key: Any) -> list[Callable[..., Any]]:
        return self.callbacks.get(call_type, {}).get(key, [])

    def get_all_callbacks(self, call_type: str) -> list[Callable[..., Any]]:
        return everything(self.callbacks, call_type)

    def add_wrapper(self, wrapper_type: str, wrapper: Callable[..., Any]) -> None:
        self.add_wrapper_with_key(wrapper_type, None, wrapper)

    def add_wrapper_with_key(self, wrapper_type: str, key: Any, wrapper: Callable[..., Any]) -> None:
        self.wrappers.setdefault(wrapper_type, {}).setdefault(key, []).append(wrapper)

    def remove_wrappers_with_key(self, wrapper_type: str, key: Any) -> None:
        self.wrappers.get(wrapper_type, {}).pop(key, None)

    def get_wrappers(self, wrapper_type: str, key: Any) -> list[Callable[..., Any]]:
        return self.wrappers.get(wrapper_type, {}).get(key, [])

    def get_all_wrappers(self, wrapper_type: str) -> list[Callable[..., Any]]:
        return everything(self.wrappers, wrapper_type)

    def tell(self, call_type: str, *about: Any) -> None:
        for callback in self.get_all_callbacks(call_type):
            callback(self, *about)

    # --- the rest -----------------------------------------------------------------------------------------

    def set_attachments(self, key: str, attachment: Any) -> None:
        self.attachments[key] = attachment

    def remove_attachments(self, key: str) -> None:
        self.attachments.pop(key, None)

    def get_attachment(self, key: str) -> Any:
        return self.attachments.get(key)

    def set_injections(self, key: str, injections: list[Any]) -> None:
        self.injections[key] = injections

    def get_injections(self, key: str) -> list[Any] | None:
        return self.injections.get(key)

    def remove_injections(self, key: str) -> None:
        self.injections.pop(key, None)

    def set_additional_models(self, key: str, models: list[Any]) -> None:
        self.additional_models[key] = models

    def remove_additional_models(self, key: str) -> None:
        self.additional_models.pop(key, None)

    def get_additional_models_with_key(self, key: str) -> list[Any]:
        return self.additional_models.get(key, [])

    def get_additional_models(self) -> list[Any]:
        return [model for models in self.additional_models.values() for model in models]

    def get_nested_additional_models(self) -> list[Any]:
        found: list[Any] = []
        waiting = self.get_additional_models()
        while waiting:
            model = waiting.pop(0)
            if model not in found:
                found.append(model)
                waiting += model.get_additional_models()
        return found

    @contextmanager
    def use_ejected(self, skip_and_inject_on_exit_only: bool = False) -> Iterator[None]:
        """Injections taken out inside, and put back after."""
        was = self.is_injected
        before, self.skip_injection = self.skip_injection, self.skip_injection or skip_and_inject_on_exit_only
        self.eject_model()
        try:
            yield
        finally:
            self.skip_injection = before
            if was or skip_and_inject_on_exit_only:
                self.inject_model()

    def inject_model(self) -> None:
        if self.is_injected or self.skip_injection:
            return
        for injections in self.injections.values():
            for injection in injections:
                injection.inject(self)
                self.is_injected = True
        if self.is_injected:
            self.tell("on_inject_model")

    def eject_model(self) -> None:
        if not self.is_injected:
            return
        for injections in self.injections.values():
            for injection in injections:
                injection.eject(self)
        self.is_injected = False
        self.tell("on_eject_model")
