"""The command line: one thin function per command. Nothing here imports torch before a workflow really runs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import CarraraError, Interrupted

DONE, INVALID, FAILED, INTERRUPTED = 0, 2, 3, 130

app = typer.Typer(
    name="carrara",
    help="Run, check and convert node workflows for diffusion models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(no_args_is_help=False, help="Which model files are where, and what is in them.")
app.add_typer(models_app, name="models")


class DType(StrEnum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


Models = Annotated[list[Path] | None, typer.Option("--models", help="Model folder or extra_model_paths.yaml.")]
InputDir = Annotated[Path | None, typer.Option("--input-dir", help="Where LoadImage looks.")]
Packs = Annotated[list[Path] | None, typer.Option("--custom-nodes", help="Folder with third-party node packs.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable: one JSON object on the last line.")]
ObjectInfo = Annotated[Path | None, typer.Option("--object-info", help="Signatures of other nodes (.json, .json.xz).")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NODE.input=VALUE", help="Change an input.")]


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="Workflow: API form, editor form, or a picture that carries one.")],
    set_: Set = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where saved files go.")] = Path("output"),
    models: Models = None,
    input_dir: InputDir = None,
    custom_nodes: Packs = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[DType, typer.Option(help="What networks compute in.")] = DType.auto,
    cache: Annotated[str, typer.Option(help="Folder of stored results, or off.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Branches that may run side by side.")] = 1,
    partial: Annotated[bool, typer.Option("--partial", help="Run the part that is valid.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each node ran or did not.")] = False,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only results and errors.")] = False,
) -> None:
    """Make what a workflow describes. Exit code: 0 done, 2 invalid, 3 a node failed, 130 interrupted."""
    from . import terminal
    from .engine import Engine

    changes = terminal.assignments(set_ or [])
    try:
        with (
            terminal.results_only(custom_nodes),
            Engine(
                models=models or (),
                device=device,
                dtype=dtype.value,
                custom_nodes=custom_nodes or (),
                input_dir=input_dir,
                output_dir=output,
                cache=cache or None,
                workers=workers,
            ) as engine,
            terminal.progress(quiet=quiet or json) as sink,
            terminal.notes(),
        ):
            result = engine.attempt(file, changes, partial=partial, on_event=sink)
    except KeyboardInterrupt:  # before the first node, or again while the run was ending
        raise Interrupted("stopped by the user") from None
    terminal.show_result(result, json=json, explain=explain, quiet=quiet)
    raise typer.Exit({"done": DONE, "invalid": INVALID, "failed": FAILED, "interrupted": INTERRUPTED}[result.status])


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Workflow files.")],
    object_info: ObjectInfo = None,
    models: Models = None,
    input_dir: InputDir = None,
    custom_nodes: Packs = None,
    json: Json = False,
) -> None:
    """List every problem of a workflow without loading anything. Exit code: 0 none, 2 some."""
    from . import terminal
    from .engine import Engine

    with terminal.results_only(custom_nodes):
        engine = Engine(
            models=models or (),
            input_dir=input_dir,
            custom_nodes=custom_nodes or (),
            object_info=object_info,
            cache="off",
        )
        found = {file: engine.check(file) for file in files}
    terminal.show_problems(found, json=json)
    raise typer.Exit(INVALID if any(found.values()) else DONE)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="Workflow in editor form, or a picture that carries one.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write; else to standard output.")
    ] = None,
    object_info: ObjectInfo = None,
    custom_nodes: Packs = None,
) -> None:
    """Editor form to API form."""
    from . import terminal
    from .engine import Engine

    with terminal.results_only(custom_nodes):
        text = Engine(custom_nodes=custom_nodes or (), object_info=object_info, cache="off").convert(file)
    terminal.write_text(text, output)


@app.command()
def nodes(
    name: Annotated[str | None, typer.Argument(help="One node's id.")] = None,
    custom_nodes: Packs = None,
    models: Models = None,
    json: Json = False,
) -> None:
    """The catalogue, or one node's documentation."""
    from . import terminal
    from .engine import Engine

    with terminal.results_only(custom_nodes):
        info = Engine(models=models or (), custom_nodes=custom_nodes or (), cache="off").object_info(name)
    terminal.show_nodes(info, one=name is not None, json=json)


@app.command()
def packs(custom_nodes: Packs = None, json: Json = False) -> None:
    """What each node pack brought, or why it did not load."""
    from . import terminal
    from .engine import Engine

    with terminal.results_only(custom_nodes):
        found = Engine(custom_nodes=custom_nodes or (), cache="off").packs
    terminal.show_packs(found, json=json)


@models_app.callback(invoke_without_command=True)
def models_default(context: typer.Context, models: Models = None, json: Json = False) -> None:
    """Without a command: list."""
    if context.invoked_subcommand is None:
        models_list(models, json)


@models_app.command("list")
def models_list(models: Models = None, json: Json = False) -> None:
    """Every model file that workflows can name."""
    from . import terminal
    from .engine import Engine

    terminal.show_models(Engine(models=models or (), cache="off").model_files(), json=json)


@models_app.command("inspect")
def models_inspect(file: Annotated[Path, typer.Argument(help="A model file.")], json: Json = False) -> None:
    """Family, configuration, number format, missing and extra keys, from the header alone."""
    from . import terminal
    from .engine import inspect_model

    terminal.show_inspection(inspect_model(file), json=json)


@app.command()
def serve(
    listen: Annotated[str, typer.Option(help="Address; any but this machine's own needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8188,
    output: Annotated[Path | None, typer.Option("--output-directory", help="Where saved files go.")] = None,
    input_: Annotated[Path | None, typer.Option("--input-directory", help="Where uploads go.")] = None,
    user: Annotated[Path | None, typer.Option("--user-directory", help="Queue, settings, saved workflows.")] = None,
    models: Models = None,
    paths: Annotated[
        list[Path] | None, typer.Option("--extra-model-paths-config", help="An extra_model_paths.yaml.")
    ] = None,
    custom_nodes: Packs = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[DType, typer.Option(help="What networks compute in.")] = DType.auto,
    cpu: Annotated[bool, typer.Option("--cpu", help="The same as --device cpu.")] = False,
    cache: Annotated[str, typer.Option(help="Folder of stored results, or off.")] = "",
    cache_classic: Annotated[bool, typer.Option("--cache-classic", help="Keep the last job's results.")] = False,
    cache_lru: Annotated[int | None, typer.Option("--cache-lru", min=0, help="Keep so many results.")] = None,
    cache_ram: Annotated[float | None, typer.Option("--cache-ram", help="Keep results while GB are free.")] = None,
    cache_none: Annotated[bool, typer.Option("--cache-none", help="Keep no results.")] = False,
    token: Annotated[str | None, typer.Option(help="What clients must know.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="Another name this server is reached by.")
    ] = None,
    cors: Annotated[
        str | None, typer.Option("--enable-cors-header", help="A page elsewhere that may use the server.")
    ] = None,
    max_upload_size: Annotated[float, typer.Option("--max-upload-size", min=0.001, help="In MB.")] = 100,
    disable_metadata: Annotated[
        bool, typer.Option("--disable-metadata", help="Save pictures without their workflow.")
    ] = False,
    previews: Annotated[
        str, typer.Option("--preview-method", help="Where a job does not say it: none, auto, latent2rgb or taesd.")
    ] = "auto",
    multi_user: Annotated[bool, typer.Option("--multi-user", help="Settings and files for each user.")] = False,
    base: Annotated[
        Path | None, typer.Option("--base-directory", help="Has models, custom_nodes, input, output and user.")
    ] = None,
    no_packs: Annotated[bool, typer.Option("--disable-all-custom-nodes", help="Load no packs.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Branches that may run side by side.")] = 1,
) -> None:
    """Serve the editor and its protocol, with a queue that outlives a crash."""
    from .server.serve import Options
    from .server.serve import serve as run_server

    rules = {"classic": cache_classic, "none": cache_none}
    keep = next((rule for rule, wished in rules.items() if wished), "")
    if cache_lru is not None:
        keep = f"lru {cache_lru}"
    elif cache_ram is not None:
        keep = f"ram {cache_ram}"
    run_server(
        Options(
            listen=listen,
            port=port,
            models=[*(models or ()), *(paths or ())],
            custom_nodes=custom_nodes or (),
            output=output,
            input=input_,
            user=user,
            device="cpu" if cpu else device,
            dtype=dtype.value,
            cache=cache,
            keep=keep,
            metadata=not disable_metadata,
            token=token,
            hosts=allow_host or (),
            cors=cors,
            upload_limit=int(max_upload_size * (1 << 20)),
            workers=workers,
            previews=previews,
            multi_user=multi_user,
            base=base,
            packs=not no_packs,
        )
    )


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="Workflow: API form, editor form, or a picture that carries one.")],
    server: Annotated[str, typer.Option(help="Where the server is.")] = "http://127.0.0.1:8188",
    set_: Set = None,
    token: Annotated[str | None, typer.Option(envvar="CARRARA_TOKEN", help="The server's token.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Fetch saved files into this folder.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the job has ended.")] = True,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only results and errors.")] = False,
) -> None:
    """Send a workflow to a server. Exit code: 0 done, 2 refused, 3 a node failed, 130 cancelled."""
    from . import terminal
    from .server.submit import Wish
    from .server.submit import submit as send

    report = send(Wish(file, server, terminal.assignments(set_ or []), token, output, wait, quiet or json))
    terminal.show_report(report.as_json(), json=json)
    raise typer.Exit({"failed": FAILED, "cancelled": INTERRUPTED}.get(report.status, DONE))


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe.")] = "pebble",
    out: Annotated[Path, typer.Option(help="Where checkpoints, logs and the model go.")] = Path("training-run"),
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    resume: Annotated[bool, typer.Option(help="Go on where an interrupted run stopped.")] = True,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long (resumable).")] = None,
) -> None:
    """Train a model by its recipe."""
    from .training.run import train as run_recipe

    run_recipe(recipe, out=out, device=device, resume=resume, minutes=minutes)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which benchmarks; all when none is named.")] = None,
) -> None:
    """Run benchmarks (from a checkout: they live in tests/bench)."""
    from . import terminal

    raise typer.Exit(terminal.run_benchmarks(Path(__file__).parent / "tests" / "bench", names or []))


def version(value: bool) -> None:
    if value:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            typer.echo(f"carrara {installed('carrara')}")
        except PackageNotFoundError:
            typer.echo("carrara (not installed)")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run, check and convert node workflows for diffusion models."""


def fail(error: CarraraError, *, json: bool = False) -> int:
    """Print an error for people and, if so wished, for programs; the exit code it means."""
    from . import terminal

    terminal.show_unstarted(error, json=json)
    return INTERRUPTED if isinstance(error, Interrupted) else INVALID


def main(arguments: list[str] | None = None) -> Any:
    """Entry point. Typed errors become one readable message and an exit code; nothing else is caught."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        command(words)
    except SystemExit as ended:
        if arguments is None and "--custom-nodes" in words:
            from . import terminal

            terminal.leave(ended)
        raise


def command(words: list[str]) -> Any:
    """Run one command line. Raises SystemExit."""
    try:
        if words[:1] == ["serve"]:
            from .server.flags import spelled

            words = ["serve", *spelled(words[1:])]
        app(args=words)
    except CarraraError as error:
        raise SystemExit(fail(error, json="--json" in words)) from None
    except KeyboardInterrupt:
        print("carrara: interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        raise SystemExit(1) from None
