"""Decoding in strips gives what a whole decode gives."""

from __future__ import annotations

import logging

import pytest
import torch
from network_oracles import difference, noise, shaken

from carrara.models.vae.autoencoder import Autoencoder, VAEConfig
from carrara.models.vae.strips import decode_fitting, decode_strips

CONFIGS = {
    "three levels": VAEConfig(ch=32, channel_mult=(1, 1, 2), num_res_blocks=1),
    "one level": VAEConfig(ch=32, channel_mult=(1,), num_res_blocks=1),
    "no quant conv": VAEConfig(ch=32, channel_mult=(1, 2), num_res_blocks=2, quant_conv=False, groups=8),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("rows", [1, 3, 8, 100])
def test_strips_are_exact(name: str, rows: int) -> None:
    net = shaken(Autoencoder(CONFIGS[name]), torch.float64)
    z = noise(2, 4, 13, 6, dtype=torch.float64)
    assert difference(decode_strips(net, z, rows), net.decode(z)) < 1e-9


def test_stated_difference_in_float32() -> None:
    net = shaken(Autoencoder(CONFIGS["three levels"]), torch.float32)
    z = noise(1, 4, 13, 6)
    assert difference(decode_strips(net, z, 4), net.decode(z)) < 1e-4


def test_whole_where_it_fits_and_said_where_not(caplog: pytest.LogCaptureFixture) -> None:
    net = shaken(Autoencoder(CONFIGS["three levels"]), torch.float32)
    z = noise(1, 4, 13, 6)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(decode_fitting(net, z, lambda h, w: True), net.decode(z))
        assert not caplog.records
        got = decode_fitting(net, z, lambda h, w: h * w <= 24)
    assert difference(got, net.decode(z)) < 1e-4
    assert "strips of 2" in caplog.text
    assert torch.isfinite(decode_fitting(net, z, lambda h, w: False)).all()
