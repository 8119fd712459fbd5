"""Set up Carrara in its own virtual environment, then do one thing. Needs Python 3.11 or newer, nothing else.

    python3 start.py          make the first picture and say where it is
    python3 start.py test     run every check this project has
    python3 start.py COMMAND  any `carrara` command, e.g. `python3 start.py run workflows/hello.json`

Safe to repeat: what is already there is kept. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
ALIAS = VENV / "alias"
HELLO = ["run", str(ROOT / "workflows" / "hello.json"), "-o", str(ROOT / "output")]


def say(text: str) -> None:
    print(f"carrara: {text}", file=sys.stderr, flush=True)


def pip_wheel_from_index() -> Path:
    """A pip wheel, for systems whose Python ships without ensurepip (Debian without python3-venv)."""
    import json

    with urllib.request.urlopen("https://pypi.org/pypi/pip/json", timeout=60) as answer:
        files = json.load(answer)["urls"]
    wheel = next(f for f in files if f["filename"].endswith(".whl"))
    target = Path(tempfile.mkdtemp()) / str(wheel["filename"])
    with urllib.request.urlopen(wheel["url"], timeout=120) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != wheel["digests"]["sha256"]:
        raise SystemExit("carrara: the downloaded pip does not match its checksum; try again")
    target.write_bytes(data)
    return target


def make_venv() -> None:
    if PYTHON.exists() and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return
    say(f"making a virtual environment in {VENV}")
    if subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True).returncode == 0:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV], check=True)
    wheel = pip_wheel_from_index()
    subprocess.run([PYTHON, f"{wheel}/pip", "install", "--quiet", str(wheel)], check=True)


def install(extra: str, needed: bool = True) -> None:
    """Install once per change of what is asked for; the stamp remembers what was installed."""
    wanted = hashlib.sha256(
        b"|".join([(ROOT / "pyproject.toml").read_bytes(), (ROOT / "constraints.txt").read_bytes(), str(ROOT).encode()])
    ).hexdigest()
    done = [VENV / f".installed-{name}" for name in ({extra, "dev"} if not extra else {extra})]
    if any(stamp.exists() and stamp.read_text() == wanted for stamp in done):
        return
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    say("installing (the first time takes some minutes)" if needed else f"installing the extra {extra}")
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    # torch first: whatever else asks for it then finds the pinned build in place.
    subprocess.run([*command, *constraints, "torch"], check=needed)
    made = subprocess.run([*command, *constraints, "-e", target], check=needed)
    if made.returncode == 0:
        (VENV / f".installed-{extra}").write_text(wanted)


def checks(pytest_arguments: list[str]) -> list[list[str]]:
    """Lint, types, tests. mypy wants to see the root under the name of its package, whatever the folder is called."""
    python = str(PYTHON)
    ALIAS.mkdir(exist_ok=True)
    if not (ALIAS / "carrara").is_symlink():
        (ALIAS / "carrara").symlink_to(ROOT, target_is_directory=True)
    tests = [python, "-m", "pytest", "-c", str(ROOT / "tests" / "pytest.ini"), str(ROOT / "tests"), *pytest_arguments]
    if pytest_arguments:
        return [tests]
    return [
        [python, "-m", "ruff", "check", str(ROOT)],
        [python, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "-p", "carrara"],
        tests,
    ]


def run_check(command: list[str]) -> int:
    say(" ".join(Path(word).name if word.startswith(str(ROOT)) else word for word in command))
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"MYPYPATH": str(ALIAS)}).returncode


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - the whole point is to say so on an older Python
        raise SystemExit(f"carrara: Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    testing = arguments[:1] == ["test"]
    make_venv()
    install("dev" if testing else "")
    if testing and shutil.which("chromium") is not None and os.environ.get("CARRARA_BROWSER") != "0":
        install("browser", needed=False)  # without it the browser test is skipped, and says so
    if testing:
        return next((code for code in map(run_check, checks(arguments[1:])) if code), 0)
    return subprocess.run([PYTHON, "-m", "carrara", *(arguments or HELLO)]).returncode


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as failed:
        raise SystemExit(f"carrara: set-up stopped at: {' '.join(map(str, failed.cmd))}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
