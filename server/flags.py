"""The flags of the ecosystem's server: what they are called here, which change nothing, and which cannot be had."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from ..errors import InputError

EVERYWHERE = "0.0.0.0,::"
"""What `--listen` alone means."""
VALUED = ("--listen", "--enable-cors-header", "--verbose")
"""Flags whose value may be left out."""


@dataclass(frozen=True)
class Flag:
    """values: how many words follow, -1: as many as there are. ours: what it is called here. reason: why not, or why
    it changes nothing."""

    values: int = 0
    ours: tuple[str, ...] = ()
    reason: str = ""
    refused: bool = False


def _table(names: str, flag: Flag) -> dict[str, Flag]:
    return dict.fromkeys(names.split(), flag)


FAMILIAR: Mapping[str, Flag] = {
    **_table("--force-fp32 --fp32-unet", Flag(ours=("--dtype", "fp32"))),
    **_table("--force-fp16 --fp16-unet", Flag(ours=("--dtype", "fp16"))),
    **_table("--bf16-unet", Flag(ours=("--dtype", "bf16"))),
    **_table(
        "--normalvram --highvram --lowvram --novram --gpu-only --disable-smart-memory --async-offload "
        "--disable-async-offload --disable-pinned-memory --cuda-malloc --disable-cuda-malloc --mmap-torch-files "
        "--disable-mmap --disable-dynamic-vram --enable-dynamic-vram",
        Flag(reason="memory is managed by itself here"),
    ),
    **_table("--reserve-vram --vram-headroom", Flag(1, reason="memory is managed by itself here")),
    **_table(
        "--use-split-cross-attention --use-quad-cross-attention --use-pytorch-cross-attention --use-flash-attention "
        "--disable-xformers --force-upcast-attention --dont-upcast-attention --force-channels-last "
        "--disable-ipex-optimize --fp32-text-enc",
        Flag(reason="how networks compute follows from the device and --dtype"),
    ),
    **_table("--oneapi-device-selector", Flag(1, reason="how networks compute follows from the device and --dtype")),
    **_table("--auto-launch --disable-auto-launch --windows-standalone-build", Flag(reason="no browser is opened")),
    **_table("--log-stdout --dont-print-server", Flag(reason="the log goes to standard error")),
    **_table("--verbose", Flag(1, reason="the log tells everything it has")),
    **_table("--preview-size", Flag(1, reason="previews fit into 512 pixels")),
    **_table("--temp-directory", Flag(1, reason="temporary files have a folder of their own")),
    **_table("--default-hashing-function", Flag(1, reason="files are compared by SHA-256")),
    **_table("--database-url --comfy-api-base --front-end-version", Flag(1, reason="there is nothing it would change")),
    **_table("--enable-compress-response-body --disable-api-nodes --enable-manager --disable-manager-ui "
             "--enable-manager-legacy-ui --disable-assets-autoscan --enable-assets",
             Flag(reason="there is nothing it would change")),
    **_table("--fast", Flag(-1, reason="what changes numbers is not done")),
    **_table("--cpu-vae", Flag(refused=True, reason="Networks run on one device: --device or --cpu.")),
    **_table("--directml", Flag(1, refused=True, reason="This device is not supported: --device cpu, cuda or cuda:N.")),
    **_table("--tls-keyfile --tls-certfile", Flag(1, refused=True, reason="Put a proxy with TLS in front of it.")),
    **_table("--front-end-root", Flag(1, refused=True, reason="The editor is a package: carrara[editor].")),
    **_table("--whitelist-custom-nodes", Flag(-1, refused=True, reason="Give its own folder with --custom-nodes.")),
    **_table("--use-sage-attention --deterministic", Flag(refused=True, reason="It would change numbers.")),
    **_table(
        "--fp64-unet --fp8_e4m3fn-unet --fp8_e5m2-unet --fp8_e8m0fnu-unet --fp16-vae --fp32-vae --bf16-vae "
        "--fp8_e4m3fn-text-enc --fp8_e5m2-text-enc --fp16-text-enc --bf16-text-enc --supports-fp8-compute",
        Flag(refused=True, reason="One format is for all networks: --dtype auto, fp32, bf16 or fp16."),
    ),
}  # fmt: skip


def spelled(arguments: Iterable[str], notes: TextIO | None = None) -> list[str]:
    """The arguments of `carrara serve` in our own words. Those that change nothing are told in `notes` and left out.

    Raises InputError for familiar ones that cannot be had.
    """
    words = list(split(arguments))
    found: list[str] = []
    while words:
        word = words.pop(0)
        flag = FAMILIAR.get(word)
        if word == "--cuda-device":
            found += ["--device", f"cuda:{words.pop(0)}" if words else ""]
        elif word == "--extra-model-paths-config":
            for path in values(words, -1):
                found += [word, path]
        elif word in VALUED and flag is None:
            given = values(words, 1)
            found += [word, *(given or [EVERYWHERE if word == "--listen" else "*"])]
        elif flag is None:
            found.append(word)
        else:
            values(words, flag.values)
            if flag.refused:
                raise InputError(f"{word} cannot be had here", remedy=flag.reason)
            if flag.ours:
                found += flag.ours
            else:
                print(f"carrara: {word} changes nothing: {flag.reason}", file=notes or sys.stderr, flush=True)
    return found


def split(arguments: Iterable[str]) -> Iterator[str]:
    """`--name=value` of familiar flags in two words."""
    for argument in arguments:
        name, mark, value = argument.partition("=")
        familiar = name in FAMILIAR or name in (*VALUED, "--cuda-device", "--extra-model-paths-config")
        if mark and familiar:
            yield name
            yield value
        else:
            yield argument


def values(words: list[str], most: int) -> list[str]:
    """Takes the words that are a flag's values from the front."""
    taken: list[str] = []
    while words and not words[0].startswith("--") and len(taken) != most:
        taken.append(words.pop(0))
    return taken
