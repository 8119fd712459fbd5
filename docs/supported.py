"""Writes docs/supported.md: which names of the ecosystem's modules packs find here. Run it after adding any.

python docs/supported.py            writes the file
python docs/supported.py --print    to standard output
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# What is supported

Made by `python docs/supported.py`; a test holds it to the code. What the words mean is told in
[Port a ComfyUI pack](port-a-pack.md).

* **there**: names that are real here: they do what the reference's do, on this engine's own models and files.
* **stand-in**: names the reference has and this version has not. They can be imported, subclassed, used as annotations
  and decorators; whatever else is done with them raises one error that says so.

A module or name that is in neither list raises at import, and the error says that it is unknown.
"""


def bound() -> None:
    """The repository's root as the package `carrara`, if it is not yet."""
    if "carrara" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "carrara", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["carrara"] = package
    spec.loader.exec_module(package)


def files() -> Iterator[str]:
    """Names of the modules that have a file."""
    root = ROOT / "extensions" / "compat"
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts and not any(part.startswith("_") for part in parts):
            yield ".".join(parts)


def there(module: ModuleType) -> set[str]:
    """Names that the module itself has, other modules and what it merely imports left out."""
    from carrara.extensions.known import names
    from carrara.extensions.missing import Placeholder

    known = names(module.__name__)
    found = set()
    for name, value in vars(module).items():
        if name.startswith("_") or isinstance(value, ModuleType | Placeholder):
            continue
        if name in known or getattr(value, "__module__", None) == module.__name__:
            found.add(name)
    return found


def promised(page: str) -> dict[str, set[str]]:
    """Module -> the names that a written page says are there."""
    found: dict[str, set[str]] = {}
    module = ""
    for line in page.splitlines():
        if line.startswith("## "):
            module = line.removeprefix("## ")
        elif line.startswith("there: "):
            found[module] = set(line.removeprefix("there: ").split(", "))
    return found


def text() -> str:
    bound()
    from carrara.engine import Engine
    from carrara.extensions.host import Host
    from carrara.extensions.known import known

    lines = [HEAD]
    absent: list[str] = []
    counts = [0, 0]
    with tempfile.TemporaryDirectory() as folder, Engine(cache="off", output_dir=folder, input_dir=folder) as engine:
        host = Host(engine.services, lambda: engine.catalogue, base=Path(folder))
        real = set(files())
        for name in sorted(real | set(known())):
            if name not in real:
                if known()[name]:
                    absent.append(f"* `{name}`: {', '.join(sorted(known()[name]))}")
                    counts[1] += len(known()[name])
                continue
            module = host.modules.load(name)
            found = there(module)
            missing = known().get(name, frozenset()) - set(vars(module)) | {
                one for one in known().get(name, ()) if type(vars(module).get(one)).__name__ == "Placeholder"
            }
            missing -= {one for one in missing if host.modules.has(f"{name}.{one}")}
            counts[0] += len(found)
            counts[1] += len(missing)
            if found or missing:
                lines.append(f"## {name}\n")
                if found:
                    lines.append(f"there: {', '.join(sorted(found))}\n")
                if missing:
                    lines.append(f"stand-in: {', '.join(sorted(missing))}\n")
    lines.insert(1, f"{counts[0]} names are there, {counts[1]} have stand-ins.\n")
    lines.append("## Modules of stand-ins only\n")
    lines += absent
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--print" in sys.argv:
        print(text())
    else:
        (ROOT / "docs" / "supported.md").write_text(text(), encoding="utf-8")
