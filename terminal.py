"""What the command line shows. Results go to standard output, everything else to standard error.

rich is imported where something is really drawn: `check` and `convert` stay quick.
"""

from __future__ import annotations

import json as jsonlib
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CarraraError, InputError, Problem, StorageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from .executor.events import Event
    from .extensions.packs import Pack
    from .result import Result


LONGEST = 900
"""Characters of one message that people are shown; programs get all of it."""
MOST_PROBLEMS = 100
"""Problems of one run that people are shown; `check` lists all."""


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """`3.seed=7` to {"3.seed": 7}: the value is JSON where it reads as JSON, else text."""
    changes: dict[str, Any] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        if not equals or "." not in target:
            raise InputError(
                "--set cannot be read", got=text, expected="NODE.input=VALUE", remedy="Example: --set 3.seed=7"
            )
        try:
            changes[target] = jsonlib.loads(value)
        except ValueError:
            changes[target] = value
    return changes


def write_text(text: str, target: Path | None) -> None:
    """To a file whole or not at all, or to standard output."""
    if target is None:
        print(text)
        return
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{target} cannot be written", got=error.strerror, remedy="Name another file.") from error


def problem_line(problem: Problem) -> str:
    """One problem, for reading."""
    where = f"node {problem.node}" if problem.node else "workflow"
    if problem.input:
        where += f", {problem.input}"
    text = f"{clipped(where)}: {clipped(problem.message)}"
    if problem.got is not None:
        text += f" Got {clipped(repr(problem.got))}"
        text += f", expected {clipped(repr(problem.expected))}." if problem.expected is not None else "."
    elif problem.expected is not None:
        text += f" Expected {clipped(repr(problem.expected))}."
    return f"{text} {problem.remedy}".rstrip()


def clipped(text: str) -> str:
    """Its beginning and end, where it is too long to read."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST * 2 // 3]} … {text[-LONGEST // 3 :]}"


def show_problems(found: Mapping[Path, Sequence[Problem]], *, json: bool) -> None:
    """All problems of some files."""
    if json:
        files = [{"file": str(file), "problems": [p.as_json() for p in ps]} for file, ps in found.items()]
        every = [problem.as_json() for problems in found.values() for problem in problems]
        print(jsonlib.dumps({"status": "invalid" if every else "valid", "problems": every, "files": files}))
        return
    for file, problems in found.items():
        if not problems:
            print(f"{file}: nothing wrong")
        for problem in problems:
            print(f"{file}: {problem_line(problem)}")


def show_nodes(info: Mapping[str, Any], *, one: bool, json: bool) -> None:
    """The catalogue as a list, or one node as a page."""
    if json:
        print(jsonlib.dumps(info))
        return
    if one:
        for name, node in info.items():
            print(node_page(name, node))
        return
    width = max(map(len, info), default=0)
    for name, node in sorted(info.items(), key=lambda item: (item[1]["category"], item[0])):
        summary = (node["description"] or "").partition("\n")[0]
        print(f"{name:{width}}  {node['category']:24}  {summary}".rstrip())


def node_page(name: str, node: Mapping[str, Any]) -> str:
    """A node's documentation as plain text."""
    title = node["display_name"] or name
    lines = [f"{name} — {title}", f"category: {node['category']}", "", node["description"] or "", "", "inputs"]
    lines += input_lines(node["input"], "  ")
    lines.append("outputs")
    tips = node.get("output_tooltips") or ()
    for i, kind in enumerate(node["output"]):  # packs give fewer names or tooltips than outputs
        port = node["output_name"][i] if i < len(node["output_name"]) else kind
        lines.append(f"  {port}: {kind}  {(tips[i] if i < len(tips) else '') or ''}".rstrip())
    return "\n".join(lines)


def input_lines(groups: Mapping[str, Any], indent: str) -> list[str]:
    """Inputs in groups; those that a dynamic input brings stand indented below it."""
    lines = []
    for group in ("required", "optional"):
        for port, config in groups.get(group, {}).items():
            kind, options = config[0], config[1] if len(config) > 1 else {}
            facts = ["optional"] if group == "optional" else []
            facts += [f"{key} {options[key]}" for key in ("default", "min", "max", "step") if key in options]
            choices = kind if isinstance(kind, list) else options.get("options") if kind == "COMBO" else None
            if choices:
                facts.append("one of " + ", ".join(map(str, choices[:8])) + (" …" if len(choices) > 8 else ""))
            shown = "COMBO" if isinstance(kind, list) else kind
            lines.append(f"{indent}{port}: {shown}  {'; '.join(facts)}".rstrip())
            if options.get("tooltip"):
                lines.append(f"{indent}    {options['tooltip']}")
            lines += brought_lines(kind, options, indent + "  ")
    return lines


def brought_lines(kind: Any, options: Mapping[str, Any], indent: str) -> list[str]:
    """What a dynamic input stands for."""
    if kind == "COMFY_DYNAMICCOMBO_V3":
        return [
            line
            for option in options["options"]
            for line in (f"{indent}{option['key']!r} brings", *input_lines(option["inputs"], indent + "  "))
        ]
    if kind == "COMFY_AUTOGROW_V3":
        template = options["template"]
        names = template.get("names") or [f"{template['prefix']}{i}" for i in range(template["max"])]
        return [f"{indent}{template['min']} to {len(names)} of", *input_lines(template["input"], indent + "  ")]
    if kind == "COMFY_DYNAMICSLOT_V3":
        return [f"{indent}brings", *input_lines(options["inputs"], indent + "  ")]
    if kind == "COMFY_MATCHTYPE_V3":
        return [
            f"{indent}one of {options['template']['allowed_types']}, the same for {options['template']['template_id']}"
        ]
    return []


def show_packs(packs: Sequence[Pack], *, json: bool) -> None:
    """Packs by name: what each brought, and what it lacks."""
    if json:
        print(jsonlib.dumps([pack.as_json() for pack in packs]))
        return
    for pack in packs:
        if pack.reason:
            print(f"{pack.name}: {clipped(pack.reason)}")
        else:
            print(f"{pack.name}: {', '.join(n.id for n in pack.nodes) or 'no nodes'}")
        facts = {
            "at": [pack.where] if pack.where else [],
            "lacks": pack.lacks,
            "left out": [f"{id} ({why})" for id, why in pack.left_out.items()],
            "undone or replaced": pack.notes,
        }
        for fact, items in facts.items():
            if items:
                print(f"  {fact}: {clipped(', '.join(items))}")
    if not packs:
        print("no packs; name a folder with --custom-nodes", file=sys.stderr)


@contextmanager
def results_only(packs: Sequence[Path] | None) -> Iterator[None]:
    """While foreign packs may speak, what they write to standard output goes to standard error."""
    if not packs:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
        os.dup2(kept, 1)
        os.close(kept)


def leave(ended: SystemExit) -> None:
    """End the process where a pack's threads would keep it: the command is over and all is written."""
    lasting = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if not lasting or not isinstance(ended.code, int | None):
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(ended.code or 0)


def show_models(files: Mapping[str, Sequence[str]], *, json: bool) -> None:
    """Model files by kind."""
    if json:
        print(jsonlib.dumps(files))
        return
    for kind, names in files.items():
        for name in names:
            print(f"{kind:18}  {name}")
    if not any(files.values()):
        print("no model files; name a folder with --models or CARRARA_MODELS", file=sys.stderr)


def show_inspection(found: Mapping[str, Any], *, json: bool) -> None:
    """What a model file's header says."""
    if json:
        print(jsonlib.dumps(found))
        return
    for key, value in found.items():
        if isinstance(value, list):
            print(f"{key}: {len(value)}")
            for item in value[:20]:
                print(f"  {item}")
            if len(value) > 20:
                print(f"  … and {len(value) - 20} more")
        elif isinstance(value, dict):
            print(f"{key}:")
            for name, item in value.items():
                text = str(item)
                print(f"  {name}: {text if len(text) <= 200 else text[:200] + ' …'}")
        else:
            print(f"{key}: {value}")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[Event], None] | None]:
    """A sink that draws nodes and steps while they run, on a terminal; one line per node elsewhere."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Bars(bars)


@contextmanager
def notes() -> Iterator[None]:
    """What is no error but should be known, such as an embedding that is not there, as lines for people."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"note: {clipped(str(message))}", file=sys.stderr)
        yield


def lines(event: Event) -> None:
    """Events as plain lines, for logs."""
    from .executor import events

    if isinstance(event, events.NodeFinished):
        print(f"node {event.display}: {event.seconds:.2f} s", file=sys.stderr, flush=True)
    elif isinstance(event, events.CacheTrouble):
        print(f"note: {event.message}", file=sys.stderr, flush=True)


class Bars:
    """Events as bars: one for the nodes, one for each node that reports steps."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._nodes = bars.add_task("nodes", total=None)
        self._steps: dict[str, TaskID] = {}
        self._total = 0
        self._done = 0

    def __call__(self, event: Event) -> None:
        from .executor import events

        if isinstance(event, events.RunStarted):
            self._total = event.total
            self._bars.update(self._nodes, total=self._total)
        elif isinstance(event, events.NodeProgress):
            if event.node not in self._steps:
                self._steps[event.node] = self._bars.add_task(f"node {event.display}", total=event.total)
            self._bars.update(self._steps[event.node], completed=event.value, total=event.total)
        elif isinstance(event, events.NodeFinished):
            self._done += 1
            # What a loop makes, or a lazy input leads to, was not counted when the run began.
            self._total = max(self._total + (event.parent is not None), self._done)
            self._bars.update(self._nodes, completed=self._done, total=self._total)
            if event.node in self._steps:
                self._bars.remove_task(self._steps.pop(event.node))
        elif isinstance(event, events.CacheTrouble):
            self._bars.console.print(f"note: {event.message}")


def show_result(result: Result, *, json: bool, explain: bool, quiet: bool) -> None:
    """What a run made, what it cost, and what went wrong."""
    out = sys.stderr if json else sys.stdout
    if explain:
        for id, reason in result.reasons.items():
            print(f"node {id}: {reason}", file=out)
    for problem in result.problems[:MOST_PROBLEMS]:
        print(f"carrara: {problem_line(problem)}", file=sys.stderr)
    if len(result.problems) > MOST_PROBLEMS:
        more = len(result.problems) - MOST_PROBLEMS
        print(f"carrara: and {more} more problems; `carrara check` lists them all", file=sys.stderr)
    if result.error is not None and not result.problems:
        show_error(result.error)
    for file in result.files if not json else ():
        print(file)
    if not json and not quiet:
        times = sorted(result.node_seconds.items(), key=lambda item: -item[1])[:8]
        slow = ", ".join(f"node {id} {seconds:.2f} s" for id, seconds in times if seconds >= 0.01)
        counts = f"{len(result.executed)} nodes ran, {len(result.cached)} were there already"
        print(f"{result.status} in {result.seconds:.2f} s: {counts}" + (f" ({slow})" if slow else ""), file=sys.stderr)
    if json:
        print(jsonlib.dumps(result.as_json(), default=str))


def show_report(report: Mapping[str, Any], *, json: bool) -> None:
    """A job that a server ran."""
    if json:
        print(jsonlib.dumps(report, default=str))
        return
    for file in report["files"]:
        print(file)
    if report["error"] is not None:
        print(f"carrara: node {report['error']['node_id']}: {report['error']['exception_message']}", file=sys.stderr)
    print(f"{report['status']}: job {report['id']}", file=sys.stderr)


def show_error(error: BaseException) -> None:
    """An error and what caused it, outermost first."""
    from .extensions.failure import raised_at

    told = str(error)
    print(f"carrara: {clipped(told)}", file=sys.stderr)
    cause = error.__cause__
    while cause is not None:
        found = raised_at(cause)
        where = f" ({Path(found[0]).name}:{found[1]})" if found is not None else ""
        text = str(cause)
        if text not in told:
            print(f"  because {type(cause).__name__}: {clipped(text)}{where}", file=sys.stderr)
            told = text
        elif where:
            print(f"  raised{where}", file=sys.stderr)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def show_unstarted(error: CarraraError, *, json: bool) -> None:
    """An error before there was a run; for programs in the form of a run's result."""
    from .result import unstarted

    print(f"carrara: {clipped(str(error))}", file=sys.stderr)
    if json:
        print(jsonlib.dumps(unstarted(error).as_json(), default=str))


def run_benchmarks(folder: Path, names: Sequence[str]) -> int:
    """Run `bench_NAME.py` scripts one after another; the first failing exit code, or 0."""
    scripts = {p.stem.removeprefix("bench_"): p for p in sorted(folder.glob("bench_*.py"))}
    if not scripts:
        raise InputError("no benchmarks here", expected=str(folder), remedy="Run from a checkout of the repository.")
    unknown = [name for name in names if name not in scripts]
    if unknown:
        raise InputError("no such benchmark", got=unknown, expected=list(scripts))
    for name in names or scripts:
        print(f"== {name}", file=sys.stderr, flush=True)
        code = subprocess.run([sys.executable, str(scripts[name])]).returncode
        if code:
            return code
    return 0
