"""Model files as values. Everything here reads headers only; weights are read when a network must run.

    loaded = load_checkpoint(path)            # single file (.safetensors, .ckpt, .pt, .bin) or Diffusers folder
    loaded.family.name                        # "sd15"
    loaded.unet, loaded.vae                   # Blueprint, or None where the file has no such part
    loaded.text                               # tuple of Blueprints, one per text encoder (SD1: one)
    loaded.prediction, loaded.zsnr            # "eps" | "v", bool
    loaded.latent                             # LatentFormat(channels, scale, shift, factor)
    loaded.metadata                           # the file's own texts: str -> str (tokenizer texts live here)
    loaded.folder                             # the Diffusers folder (tokenizer/ lies in it), or None

    load_unet(path), load_vae(path)           # the same for files that hold one part: -> Loaded
    load_text(path)                           # -> Loaded with .text
    load_controlnet(path)                     # -> Blueprint, role "control"

    residency = Residency(Compute(device="cpu", dtype="auto"))        # models/residency.py; one per engine
    with residency.use(loaded.unet) as net:                           # reads weights now, or finds them in place
        out = residency.call(net, x, t, context, y=None, control=None, call=None)   # tensors on residency.device(...)
    residency.device, residency.format(blueprint)                     # torch.device, torch.dtype
    residency.release()                                               # drops all networks that nobody uses

    from .patch import with_lora
    unet, unused = with_lora(loaded.unet, lora_path, strength)        # -> new Blueprint, names that fitted nothing here
    text, unused = with_lora(loaded.text[0], lora_path, strength)

Blueprint.content is hashable and equal exactly when two blueprints make the same network.
Blueprint.config is the network's frozen config (UNetConfig.in_channels == 9: inpainting).
"""

from __future__ import annotations
