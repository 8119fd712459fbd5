"""The flags of the ecosystem's server, on ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from carrara.errors import InputError
from carrara.server.flags import FAMILIAR, spelled
from carrara.server.serve import Options, assemble, token_for


def told(*arguments: str) -> tuple[list[str], str]:
    notes = io.StringIO()
    return spelled(arguments, notes), notes.getvalue()


def test_what_a_test_suite_says_stays_as_it_is() -> None:
    said = ["--output-directory", "out", "--listen", "127.0.0.1", "--port", "8189", "--extra-model-paths-config",
            "paths.yaml", "--cpu", "--cache-lru", "100"]  # fmt: skip
    assert told(*said) == (said, "")
    for rule in ("--cache-classic", "--cache-none", "--multi-user", "--disable-metadata", "--no-such-thing"):
        assert told(rule) == ([rule], "")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--listen --port 1", "--listen 0.0.0.0,:: --port 1"),
        ("--listen=127.0.0.1", "--listen 127.0.0.1"),
        ("--port 1 --listen", "--port 1 --listen 0.0.0.0,::"),
        ("--cuda-device 1", "--device cuda:1"),
        ("--force-fp16 --cpu", "--dtype fp16 --cpu"),
        ("--extra-model-paths-config a b --cpu", "--extra-model-paths-config a --extra-model-paths-config b --cpu"),
        ("--enable-cors-header --cpu", "--enable-cors-header * --cpu"),
        ("--models-directory m", "--models-directory m"),
    ],
)
def test_what_is_called_otherwise_here(given: str, meant: str) -> None:
    assert told(*given.split()) == (meant.split(), "")


@pytest.mark.parametrize(
    "given", ["--lowvram", "--reserve-vram 2", "--fast", "--fast fp16_accumulation cublas_ops", "--verbose",
              "--verbose DEBUG", "--preview-size=256", "--disable-auto-launch", "--database-url sqlite://"],
)  # fmt: skip
def test_what_changes_nothing_is_told_and_left_out(given: str) -> None:
    left, notes = told("--cpu", *given.split(), "--port", "1")
    assert left == ["--cpu", "--port", "1"]
    assert given.split()[0].partition("=")[0] in notes and "changes nothing" in notes


@pytest.mark.parametrize("given", ["--directml", "--fp8_e4m3fn-unet", "--tls-keyfile k", "--cpu-vae", "--fp16-vae"])
def test_what_cannot_be_had_is_refused_with_a_remedy(given: str) -> None:
    with pytest.raises(InputError) as refusal:
        told(*given.split())
    assert given.split()[0] in refusal.value.message and refusal.value.remedy


def test_every_familiar_flag_has_a_reason_or_a_name_here() -> None:
    assert all(flag.ours or flag.reason for flag in FAMILIAR.values())


def test_every_page_is_not_let_in() -> None:
    with pytest.raises(InputError, match="every page"):
        assemble(Options(cors="*"), None)


def test_several_addresses() -> None:
    assert Options(listen="127.0.0.1, ::1").addresses == ["127.0.0.1", "::1"]
    assert token_for(Options(listen="127.0.0.1,::1")) is None
    assert token_for(Options(listen="127.0.0.1,0.0.0.0")) is not None
    assert token_for(Options(listen="0.0.0.0,::")) is not None


def test_folders_of_packs(tmp_path: Path) -> None:
    """Named ones, the base folder's, and those of a paths file, relative to it."""
    paths = tmp_path / "paths.yaml"
    paths.write_text("testing:\n    custom_nodes: packs\n")
    options = Options(models=[paths], custom_nodes=[Path("mine")], base=tmp_path / "base")
    assert options.pack_folders == [tmp_path / "base" / "custom_nodes", Path("mine"), tmp_path / "packs"]
    assert Options(models=[paths], packs=False).pack_folders == []
