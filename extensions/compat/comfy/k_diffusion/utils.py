"""Small helpers of k-diffusion."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


def append_dims(x, target_dims):
    """Axes of size 1 added behind, until there are so many."""
    missing = target_dims - x.ndim
    if missing < 0:
        raise ValueError(f"input has {x.ndim} axes but target_dims is {target_dims}, which is less")
    return x[(...,) + (None,) * missing]


def n_params(module):
    """Trainable parameters of a module."""
    return sum(p.numel() for p in module.parameters())


class FolderOfImages:
    """The pictures of a folder and those below it, as a data set: item i is a tuple of one picture."""

    IMG_EXTENSIONS: ClassVar = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}

    def __init__(self, root, transform=None):
        self.root = Path(root)
        self.transform = transform
        self.paths = sorted(path for path in self.root.rglob("*") if path.suffix.lower() in self.IMG_EXTENSIONS)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, key):
        from PIL import Image

        with Image.open(self.paths[key]) as picture:
            found = picture.convert("RGB")
        return (found if self.transform is None else self.transform(found),)
