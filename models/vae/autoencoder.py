"""The LDM autoencoder (Rombach et al. 2022, arXiv:2112.10752), of any width and depth.

Module names are the checkpoint's key names below `first_stage_model.`. Images: b 3 H W in -1..1; latents: b z h w,
unscaled, h = H / cfg.factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.attention import attention
from ..layers.placement import Placement, zeroed


@dataclass(frozen=True)
class VAEConfig:
    """channel_mult: per resolution, finest first. The defaults are SD1.5's autoencoder.

    groups: of every group norm. Shapes do not tell; a narrow network whose groups would hold fewer than four channels
    cannot carry the colour of a flat area through its last norm, and says so in its metadata (`carrara.vae_groups`).
    """

    ch: int = 128
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    z_channels: int = 4
    embed_dim: int = 4
    in_channels: int = 3
    quant_conv: bool = True
    groups: int = 32

    @property
    def factor(self) -> int:
        """Pixels per latent cell, along each side."""
        return 2 ** (len(self.channel_mult) - 1)


class ResnetBlock(nn.Module):
    """Two convolutions; no time embedding."""

    def __init__(self, channels: int, out_channels: int, at: Placement) -> None:
        super().__init__()
        self.norm1 = at.group_norm(channels, eps=1e-6)
        self.conv1 = at.conv(channels, out_channels)
        self.norm2 = at.group_norm(out_channels, eps=1e-6)
        self.conv2 = at.conv(out_channels, out_channels)
        same = channels == out_channels
        self.nin_shortcut: nn.Module | None = None if same else at.conv(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (x if self.nin_shortcut is None else self.nin_shortcut(x)) + h  # type: ignore[no-any-return]


class AttnBlock(nn.Module):
    """Single-head self attention over all pixels."""

    def __init__(self, channels: int, at: Placement) -> None:
        super().__init__()
        self.norm = at.group_norm(channels, eps=1e-6)
        self.q, self.k, self.v = (at.pointwise(channels, channels) for _ in range(3))
        self.proj_out = zeroed(at.pointwise(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(b, h * w, c)
        out = self.proj_out(attention(self.q(tokens), self.k(tokens), self.v(tokens), 1))
        return x + out.view(b, h, w, c).permute(0, 3, 1, 2)


class Down(nn.Module):
    """A strided convolution that pads right and bottom only."""

    def __init__(self, channels: int, at: Placement) -> None:
        super().__init__()
        self.conv = at.conv(channels, channels, stride=2, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))  # type: ignore[no-any-return]


class Up(nn.Module):
    """Nearest neighbour, twice the size, then a convolution."""

    def __init__(self, channels: int, at: Placement) -> None:
        super().__init__()
        self.conv = at.conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))  # type: ignore[no-any-return]


class Middle(nn.Module):
    def __init__(self, channels: int, at: Placement) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, at)
        self.attn_1 = AttnBlock(channels, at)
        self.block_2 = ResnetBlock(channels, channels, at)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))  # type: ignore[no-any-return]


class Level(nn.Module):
    """One resolution: residual blocks, then (down half) `downsample` or (up half) `upsample` where there is one."""

    def __init__(
        self, channels: int, out: int, blocks: int, at: Placement, *, down: bool = False, up: bool = False
    ) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResnetBlock(channels if i == 0 else out, out, at) for i in range(blocks))
        if down:
            self.downsample = Down(out, at)
        if up:
            self.upsample = Up(out, at)
        self.resample: str | None = "downsample" if down else "upsample" if up else None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        return x if self.resample is None else self.get_submodule(self.resample)(x)


class Encoder(nn.Module):
    """Image to the moments (mean and log variance) of the latent."""

    def __init__(self, cfg: VAEConfig, at: Placement) -> None:
        super().__init__()
        widths = [cfg.ch * m for m in cfg.channel_mult]
        self.conv_in = at.conv(cfg.in_channels, cfg.ch)
        self.down = nn.ModuleList(
            Level(cfg.ch if i == 0 else widths[i - 1], w, cfg.num_res_blocks, at, down=i < len(widths) - 1)
            for i, w in enumerate(widths)
        )
        self.mid = Middle(widths[-1], at)
        self.norm_out = at.group_norm(widths[-1], eps=1e-6)
        self.conv_out = at.conv(widths[-1], 2 * cfg.z_channels)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
        return self.conv_out(F.silu(self.norm_out(self.mid(h))))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Latent to image. `up` is numbered by resolution, finest 0, and run from the coarsest."""

    def __init__(self, cfg: VAEConfig, at: Placement) -> None:
        super().__init__()
        widths = [cfg.ch * m for m in cfg.channel_mult]
        self.conv_in = at.conv(cfg.z_channels, widths[-1])
        self.mid = Middle(widths[-1], at)
        self.up = nn.ModuleList(
            Level(widths[min(i + 1, len(widths) - 1)], w, cfg.num_res_blocks + 1, at, up=i > 0)
            for i, w in enumerate(widths)
        )
        self.norm_out = at.group_norm(widths[0], eps=1e-6)
        self.conv_out = at.conv(widths[0], cfg.in_channels)

    def forward(self, z: Tensor) -> Tensor:
        h = self.mid(self.conv_in(z))
        for i in reversed(range(len(self.up))):
            h = self.up[i](h)
        return self.conv_out(F.silu(self.norm_out(h)))  # type: ignore[no-any-return]


class Autoencoder(nn.Module):
    """Images to latents and back."""

    def __init__(
        self, cfg: VAEConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        at = Placement(device, dtype, cfg.groups)
        self.cfg = cfg
        self.encoder, self.decoder = Encoder(cfg, at), Decoder(cfg, at)
        if cfg.quant_conv:
            self.quant_conv = at.conv(2 * cfg.z_channels, 2 * cfg.embed_dim, 1)
            self.post_quant_conv = at.conv(cfg.embed_dim, cfg.z_channels, 1)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x). x: b 3 H W."""
        h = self.encoder(x.to(self.encoder.conv_in.weight.dtype))
        mean, logvar = (self.quant_conv(h) if self.cfg.quant_conv else h).chunk(2, dim=1)
        return mean, logvar

    def encode(self, x: Tensor) -> Tensor:
        """The mean; nothing is sampled."""
        return self.moments(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        z = z.to(self.decoder.conv_in.weight.dtype)
        return self.decoder(self.post_quant_conv(z) if self.cfg.quant_conv else z)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction through the mean."""
        return self.decode(self.encode(x))
