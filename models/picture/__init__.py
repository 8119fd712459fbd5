"""Arithmetic on pictures, masks and latents: no node, no file name, no model."""
