"""Carrara: a typed node engine for diffusion models."""
