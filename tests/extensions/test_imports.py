"""What a pack sees when it imports, and that nobody else sees any of it."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import worlds

from carrara.extensions.imports import Space
from carrara.extensions.missing import MissingAttribute, MissingModule, MissingName


def test_the_ecosystem_is_the_hosts_alone(tmp_path: Path) -> None:
    one, two = worlds.host(tmp_path / "1"), worlds.host(tmp_path / "2")
    source = """
        import comfy
        def later():
            import comfy
            return comfy
    """
    a, b = worlds.foreign(one, source), worlds.foreign(two, source)
    assert a.comfy is not b.comfy
    assert ThreadPoolExecutor(1).submit(a.later).result() is a.comfy
    a.comfy.planted = 1
    assert not hasattr(b.comfy, "planted")
    assert worlds.foreign(one, "import comfy\nx = comfy.planted", "other").x == 1
    assert not {"comfy", "nodes", "folder_paths"} & set(sys.modules)


def test_what_is_absent_is_named(tmp_path: Path) -> None:
    host = worlds.host(tmp_path)
    with pytest.raises(MissingModule, match=r"a_pack asks for comfy\.nothing") as module:
        worlds.foreign(host, "import comfy.nothing")
    assert isinstance(module.value, ModuleNotFoundError)
    assert module.value.name == "comfy.nothing"
    with pytest.raises(MissingName, match=r"comfy\.nothing") as name:
        worlds.foreign(host, "from comfy import nothing")
    assert isinstance(name.value, ImportError)
    with pytest.raises(MissingAttribute, match=r"b_pack asks for comfy\.nothing") as attribute:
        worlds.foreign(host, "import comfy\ncomfy.nothing", "b_pack")
    assert isinstance(attribute.value, AttributeError)
    assert worlds.foreign(host, "import comfy\nx = hasattr(comfy, 'nothing')").x is False


def test_a_module_of_which_nothing_is_here_stands_in_for_every_name(tmp_path: Path) -> None:
    """Its private and newer names cannot be known: a pack that imports them loses only the nodes that use them."""
    host = worlds.host(tmp_path)
    source = """
        from comfy.ldm.flux.model import Flux, _private, NewerThanAll
        import comfy.ldm.flux.model as module

        class Mine(NewerThanAll):
            pass

        found = hasattr(module, "Never")
    """
    pack = worlds.foreign(host, source)
    assert issubclass(pack.Mine, pack.NewerThanAll) and not pack.found
    with pytest.raises(MissingAttribute, match=r"comfy\.ldm\.flux\.model\._private"):
        pack._private(1, 2)
    with pytest.raises(MissingName, match=r"comfy\.utils\._private"):
        worlds.foreign(host, "from comfy.utils import _private", "other")


def test_packs_with_equal_names_do_not_meet(tmp_path: Path) -> None:
    host = worlds.host(tmp_path)
    made = []
    for name in ("one", "two"):
        folder = worlds.write(
            tmp_path / name,
            {
                "__init__.py": """
                    from __future__ import annotations
                    import sys, os
                    sys.path.insert(0, os.path.dirname(__file__))
                    import utils
                    import deep.inner
                    from deep import inner
                    from .sub import thing
                    from dataclasses import dataclass
                    @dataclass
                    class Box:
                        size: int = 1
                """,
                "utils.py": f"who = {name!r}",
                "sub/__init__.py": "from .thing import who",
                "sub/thing.py": "from ..utils import who",
                "deep/inner.py": "import utils\nwho = utils.who",
            },
        )
        made.append(Space(host, name, f"private_{name}_{id(host)}").load(folder))
    assert [m.utils.who for m in made] == ["one", "two"]
    assert [m.inner.who for m in made] == ["one", "two"]
    assert [m.deep.inner.who for m in made] == ["one", "two"]
    assert [m.thing.who for m in made] == ["one", "two"]
    assert not {"utils", "deep", "deep.inner"} & set(sys.modules)
    assert not any(str(tmp_path) in place for place in sys.path)


def test_files_loaded_by_hand_see_the_same(tmp_path: Path) -> None:
    host = worlds.host(tmp_path)
    worlds.write(
        tmp_path / "custom_nodes" / "a_pack",
        {
            "late.py": "from __future__ import annotations\nimport comfy, sys\nfrom dataclasses import dataclass\n"
            "@dataclass\nclass P:\n    x: int = 2\n",
            "sub/__init__.py": "",
            "sub/one.py": "import comfy",
        },
    )
    module = worlds.foreign(
        host,
        """
        import importlib, importlib.util, os, sys, comfy
        here = os.path.dirname(os.path.realpath(__file__))
        spec = importlib.util.spec_from_file_location("late", os.path.join(here, "late.py"))
        late = importlib.util.module_from_spec(spec)
        sys.modules["late"] = late
        spec.loader.exec_module(late)
        import late as again
        one = importlib.import_module(".sub.one", __name__)
        absent = importlib.util.find_spec("comfy.nothing")
        present = importlib.util.find_spec("comfy")
        """,
    )
    assert module.late.comfy is module.comfy
    assert module.again is module.late
    assert module.late.P().x == 2
    assert module.one.comfy is module.comfy
    assert module.absent is None and module.present is not None
    assert "late" not in sys.modules


def test_where_the_program_lies(tmp_path: Path) -> None:
    """Packs look for the program's folder by asking where its modules or classes were defined."""
    host = worlds.host(tmp_path)
    module = worlds.foreign(
        host,
        """
        import comfy, os, inspect
        place = os.path.dirname(os.path.dirname(comfy.__file__))
        asked = inspect.getfile(comfy)
        """,
    )
    assert module.place == str(tmp_path)
    assert module.asked == str(tmp_path / "comfy" / "__init__.py")


def test_modules_within_modules(tmp_path: Path) -> None:
    """Packs take other modules out of the ecosystem's, and all names of some."""
    host = worlds.host(tmp_path)
    source = "import comfy, server\nfrom nodes import *\nseen = (server.uuid, comfy.os, torch, np, MAX_RESOLUTION)"
    module = worlds.foreign(host, source)
    assert [getattr(one, "__name__", one) for one in module.seen] == ["uuid", "os", "torch", "numpy", 16384]


def test_a_packs_standard_output_is_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = worlds.foreign(
        worlds.host(tmp_path), "import sys\ndef say(text):\n    sys.stdout.write(text)\n    print(text)"
    )
    for text in ("first", "second"):
        module.say(text)
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", f"{text}{text}\n")
