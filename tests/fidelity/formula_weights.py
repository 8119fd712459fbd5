"""Full-size files of real layouts whose every number follows from its key: see ../shared/weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FILES = {
    "checkpoints/fid_sd15.safetensors": "sd15",
    "checkpoints/fid_sd15_inpaint.safetensors": "sd15_inpaint",
    "loras/fid_sd15_lora.safetensors": "sd15_lora",
    "controlnet/fid_sd15_controlnet.safetensors": "sd15_controlnet",
    "embeddings/fid_ti.safetensors": "ti_sd15",
    "vae_approx/taesd_decoder.safetensors": "taesd_decoder",
    "vae_approx/taesd_encoder.safetensors": "taesd_encoder",
    "text_encoders/fid_clip_l.safetensors": "clip_l",
}


def folder() -> Path:
    """Where the files are kept between runs: 6 GB when all are made."""
    return Path(os.environ.get("CARRARA_FORMULA_WEIGHTS", "/tmp/models"))


def needed(prompt: dict) -> list[str]:
    """The files a workflow names, as keys of FILES."""
    texts = [str(v) for node in prompt.values() for v in node["inputs"].values()]
    return [file for file in FILES if any(Path(file).stem in text for text in texts)]


def ready(prompt: dict) -> bool:
    return all((folder() / file).is_file() for file in needed(prompt))


def make(shared: Path, files: list[str]) -> None:
    """Write what is missing. A file appears whole or not at all."""
    for file in files:
        target = folder() / file
        if target.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}.part")
        spec = shared / "weights" / "specs" / f"{FILES[file]}.json.gz"
        command = [sys.executable, shared / "weights" / "make_weights.py", spec, part]
        subprocess.run(command, check=True, capture_output=True)
        part.replace(target)
