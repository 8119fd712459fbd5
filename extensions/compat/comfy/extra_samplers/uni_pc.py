"""UniPC as sampling functions."""

from __future__ import annotations

import comfy.model_sampling

from ....patchers import functions

sample_unipc = functions.named("uni_pc", lambda: comfy.model_sampling.CONST)
sample_unipc_bh2 = functions.named("uni_pc_bh2", lambda: comfy.model_sampling.CONST)
