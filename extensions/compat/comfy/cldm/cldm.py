"""The network of a ControlNet under its old name."""

from __future__ import annotations

from .....models import controlnet

ControlNet = controlnet.ControlNet
