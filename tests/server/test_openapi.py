"""The description of the routes is walked with made-up requests: none brings a server error.

Own strategies make values of the description's schemas, with classes and names of this server among them. Where
schemathesis is installed it walks them, too.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_toys import serving
from test_serve import server

KNOWN = ["ToyShow", "ToyNumber", "EmptyImage", "SaveImage", "PreviewImage", "LoadImage", "KSampler", "CLIPTextEncode"]
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "0", "-1", "a/../b", "..", "%00", "output", "workflows", "x.png", "a [input]", "é", "\x00"]),
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
NODE = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(KNOWN) | WORDS,
        "inputs": st.dictionaries(
            st.sampled_from(["value", "images", "width", "height", "batch_size", "filename_prefix", "image"]) | WORDS,
            ANY | st.tuples(st.sampled_from(["1", "2", "9"]), st.integers(-1, 3)).map(list),
            max_size=4,
        )
        | ANY,
    }
)
GRAPH = st.dictionaries(st.sampled_from(["1", "2", "3"]) | WORDS, NODE | ANY, max_size=4)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly what a schema describes, sometimes anything."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | WORDS
    if "anyOf" in schema:
        return st.one_of([values(one) for one in schema["anyOf"]])
    if "additionalProperties" in schema:
        return GRAPH
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": WORDS,
        "integer": st.integers(),
        "number": st.floats(),
        "boolean": st.booleans(),
        "array": st.lists(ANY, max_size=3),
    }
    if schema.get("type") == "object":
        members = {name: values(inner) for name, inner in schema.get("properties", {}).items()}
        return st.fixed_dictionaries({}, optional=members) | st.dictionaries(WORDS, ANY, max_size=3)
    return kinds[schema["type"]] | ANY if "type" in schema else ANY


def test_no_made_up_request_brings_a_server_error(tmp_path: Path) -> None:
    """Every operation of /openapi.json with the values above."""
    loop = asyncio.new_event_loop()
    context = serving(tmp_path)
    client = loop.run_until_complete(context.__aenter__())
    try:
        whole = loop.run_until_complete(described(client))
        operations = [(path, *one) for path, methods in whole["paths"].items() for one in methods.items()]
        assert len(operations) > 50

        @settings(max_examples=400, deadline=None, database=None, derandomize=True,
                  suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])  # fmt: skip
        @given(st.data())
        def walk(data: st.DataObject) -> None:
            path, method, about = data.draw(st.sampled_from(operations))
            status, text = loop.run_until_complete(asked(client, path, method, about, data))
            assert status < 500, (method, path, text)

        walk()
    finally:
        loop.run_until_complete(context.__aexit__(None, None, None))
        loop.close()


async def described(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = await (await client.get("/openapi.json")).json()
    return found


async def asked(client: Any, path: str, method: str, about: dict[str, Any], data: st.DataObject) -> tuple[int, str]:
    """The answer to one made-up request."""
    query = {}
    for parameter in about.get("parameters", ()):
        value = data.draw(values(parameter["schema"]), label=parameter["name"])
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(str(value), safe="") or "x")
        elif data.draw(st.booleans()):
            query[parameter["name"]] = str(value)
    [(form, content)] = about.get("requestBody", {}).get("content", {"": {}}).items()
    body: Any = None
    headers = {}
    if form == "multipart/form-data":
        fields = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(content["schema"]["properties"], WORDS)))
        body, headers = multipart(fields), {"Content-Type": "multipart/form-data; boundary=B"}
    elif form:
        sent = data.draw(values(content["schema"]) | ANY)
        text = json.dumps(sent) if form.endswith("json") else str(sent)
        body = text.encode("utf-8", "replace")
    answer = await client.request(method.upper(), path, params=query, data=body, headers=headers)
    return answer.status, await answer.text(errors="replace")


def multipart(fields: dict[str, str]) -> bytes:
    """A form; the field `image` is a file whose name is its text."""
    lines = []
    for name, text in fields.items():
        file = f'; filename="{text}"' if name == "image" else ""
        lines.append(f'--B\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{text}\r\n')
    return "".join([*lines, "--B--\r\n"]).encode("utf-8", "replace")


def test_schemathesis_finds_no_server_error(tmp_path: Path) -> None:
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("pip install schemathesis, and it walks the description, too")
    with server(tmp_path) as (_, url):
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--max-examples", "5",
                   "--checks", "not_a_server_error"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-4000:]
