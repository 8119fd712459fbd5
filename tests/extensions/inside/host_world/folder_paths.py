"""Where the host keeps things. `settle` is the test's own."""

from __future__ import annotations

from pathlib import Path

base_path = ""
models_dir = ""
folder_names_and_paths: dict[str, tuple[list[str], set[str]]] = {}


def settle(folder: Path, models: Path) -> None:
    global base_path, models_dir
    base_path, models_dir = str(folder), str(models)
    folder_names_and_paths.clear()
    for kind in ("checkpoints", "loras", "vae", "text_encoders", "diffusion_models", "controlnet", "embeddings"):
        folder_names_and_paths[kind] = ([str(models / kind)], {".safetensors"})
    for name in ("input", "output", "temp", "user/default/workflows"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def get_folder_paths(folder_name: str) -> list[str]:
    return folder_names_and_paths[folder_name][0][:]


def get_input_directory() -> str:
    return str(Path(base_path) / "input")


def get_output_directory() -> str:
    return str(Path(base_path) / "output")


def get_temp_directory() -> str:
    return str(Path(base_path) / "temp")


def get_user_directory() -> str:
    return str(Path(base_path) / "user")
