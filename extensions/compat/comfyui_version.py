"""`comfyui_version`: whose behaviour is kept."""

__version__ = "0.8.0"
