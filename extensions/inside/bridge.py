"""What our own engine loads, as the host's nodes ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from ...executor.spec import Context, Out, node
from ...models.residency import Residency

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.handles import Vae as OurVae
else:

    class OurVae:
        """Names the socket."""

        socket: ClassVar[str] = "CARRARA_VAE"


@dataclass(frozen=True, eq=False)
class TheirVae:
    """An autoencoder with the methods that nodes of the ecosystem call. Pictures b h w c, latents b c h w."""

    socket: ClassVar[str] = "VAE"

    vae: OurVae
    residency: Residency

    @property
    def latent_channels(self) -> int:
        return self.vae.latent.channels

    @property
    def downscale_ratio(self) -> int:
        return self.vae.latent.factor

    @property
    def upscale_ratio(self) -> int:
        return self.vae.latent.factor

    def spacial_compression_decode(self) -> int:
        return self.vae.latent.factor

    def spacial_compression_encode(self) -> int:
        return self.vae.latent.factor

    def temporal_compression_decode(self) -> None:
        """It knows no time."""
        return None

    def throw_exception_if_invalid(self) -> None:
        """It was read whole, or there would be no such value."""

    def vae_encode_crop_pixels(self, pixels: Tensor) -> Tensor:
        from ...models.autoencode import to_cells

        return to_cells(pixels, self.vae.latent.factor)

    def decode(self, samples_in: Tensor, vae_options: object = None) -> Tensor:
        from ...models.autoencode import decode

        return decode(self.vae, samples_in, self.residency)

    def encode(self, pixel_samples: Tensor) -> Tensor:
        from ...models.autoencode import encode

        return encode(self.vae, pixel_samples, self.residency)

    def decode_tiled(
        self, samples: Tensor, tile_x: int | None = None, tile_y: int | None = None, overlap: int | None = None,
        tile_t: int | None = None, overlap_t: int | None = None,
    ) -> Tensor:  # fmt: skip
        """Sizes in latent cells. Time has none."""
        from ...models.autoencode import decode_by_tiles
        from ...models.vae.tiled import Tiles

        tiles = Tiles(tile_y or 64, tile_x or 64, 16 if overlap is None else overlap)
        return decode_by_tiles(self.vae, samples, tiles, self.residency)

    def encode_tiled(
        self, pixel_samples: Tensor, tile_x: int | None = None, tile_y: int | None = None, overlap: int | None = None,
        tile_t: int | None = None, overlap_t: int | None = None,
    ) -> Tensor:  # fmt: skip
        """Sizes in pixels."""
        from ...models.autoencode import encode_by_tiles
        from ...models.vae.tiled import Tiles

        tiles = Tiles(tile_y or 512, tile_x or 512, 64 if overlap is None else overlap)
        return encode_by_tiles(self.vae, pixel_samples, tiles, self.residency)


@node("VAEForOtherNodes", category="latent", title="VAE for other nodes")
def vae_for_other_nodes(
    vae: Annotated[OurVae, "From a Carrara loader."], ctx: Context
) -> Annotated[TheirVae, Out("VAE"), "For nodes of ComfyUI and of other packs."]:
    """Hand an autoencoder of Carrara's own engine to nodes that are not Carrara's."""
    return TheirVae(vae, ctx.service(Residency))
