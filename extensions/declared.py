"""Which nodes a pack's source declares, found by reading it: for packs that do not load."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

MOST_FILES = 500
MAPPING = "NODE_CLASS_MAPPINGS"


def promised(entry: Path) -> tuple[str, ...]:
    """Node ids that a pack's files name: keys of its mapping, node ids of schemas, and ids of @node functions."""
    files = [entry] if entry.is_file() else islice(sorted(entry.rglob("*.py")), MOST_FILES)
    found: dict[str, None] = {}
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, OSError, RecursionError):
            continue  # that file may be why it did not load
        found.update(dict.fromkeys(_ids(tree)))
    return tuple(found)


def _ids(tree: ast.AST) -> Iterator[str]:
    for item in ast.walk(tree):
        if isinstance(item, ast.Assign | ast.AnnAssign) and item.value is not None:
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            for target in targets:
                if isinstance(target, ast.Subscript) and _called(target.value) == MAPPING:
                    yield from _texts([target.slice])
                elif _called(target) == MAPPING and isinstance(item.value, ast.Dict):
                    yield from _texts(item.value.keys)
        elif isinstance(item, ast.Call):
            name = _called(item.func)
            if name == "update" and isinstance(item.func, ast.Attribute) and _called(item.func.value) == MAPPING:
                for argument in item.args:
                    if isinstance(argument, ast.Dict):
                        yield from _texts(argument.keys)
            elif name == "Schema":
                yield from _texts([k.value for k in item.keywords if k.arg == "node_id"] or item.args[:1])
            elif name == "node":
                yield from _texts(item.args[:1])


def _called(item: ast.AST) -> str:
    if isinstance(item, ast.Name):
        return item.id
    return item.attr if isinstance(item, ast.Attribute) else ""


def _texts(items: list[ast.expr | None] | list[ast.expr]) -> Iterator[str]:
    for item in items:
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            yield item.value
