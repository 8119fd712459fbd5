"""Eleven nodes that patch a model, written as packs of the ecosystem are."""

import comfy.model_sampling
import comfy.samplers
import torch


class Patching:
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "patching"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}


class ReplaceSelfAttention(Patching):
    def patch(self, model):
        m = model.clone()

        def identity(q, k, v, extra_options):
            assert extra_options["n_heads"] == 8 and extra_options["block"] == ("middle", 0)
            return v

        m.set_model_attn1_replace(identity, "middle", 0)
        return (m,)


class ReplaceTextAttention(Patching):
    def patch(self, model):
        m = model.clone()

        def mean(q, k, v, extra_options):
            assert sorted(set(extra_options["cond_or_uncond"])) == [0, 1]
            return v.mean(dim=1, keepdim=True).expand(-1, q.shape[1], -1)

        m.set_model_attn2_replace(mean, "input", 1, 0)
        return (m,)


class ChangeTextInputs(Patching):
    def patch(self, model):
        m = model.clone()
        m.set_model_attn2_patch(lambda n, context, value, extra_options: (n, context * 0.5, value * 2.0))
        return (m,)


class ChangeAttentionOutput(Patching):
    def patch(self, model):
        m = model.clone()

        def louder(n, extra_options):
            return n * 1.5 if extra_options["block"][0] == "output" else n

        m.set_model_attn1_output_patch(louder)
        m.set_model_attn2_output_patch(lambda n, extra_options: n * 0.25)
        return (m,)


class ChangeBlocks(Patching):
    def patch(self, model):
        m = model.clone()

        def after(h, transformer_options):
            kind, number = transformer_options["block"]
            return h * 1.1 if (kind, number) == ("input", 1) else h

        def skips(h, hsp, transformer_options):
            return (h * 0.9, hsp * 1.2) if transformer_options["block"][1] == 1 else (h, hsp)

        def middle(about):
            about["h"] = about["h"] + 0.05
            return about

        m.set_model_input_block_patch(after)
        m.set_model_input_block_patch_after_skip(lambda h, transformer_options: h + 0.01)
        m.set_model_output_block_patch(skips)
        m.set_model_middle_block_after_patch(middle)
        return (m,)


class CfgFunction(Patching):
    def patch(self, model):
        m = model.clone()

        def halved(args):
            noise = args["uncond"] + (args["cond"] - args["uncond"]) * args["cond_scale"] * 0.5
            assert torch.equal(args["input"] - args["cond_denoised"], args["cond"])
            return noise

        m.set_model_sampler_cfg_function(halved)
        return (m,)


class PreCfg(Patching):
    def patch(self, model):
        m = model.clone()

        def shrink(args):
            cond, uncond = args["conds_out"]
            return [cond, uncond * 0.8 + 0.01 * args["input"]]

        m.set_model_sampler_pre_cfg_function(shrink)
        return (m,)


class PostCfg(Patching):
    """Asks the model once more, without self-attention in the middle, and moves away from that."""

    def patch(self, model):
        m = model.clone()

        def away(args):
            options = args["model_options"].copy()
            options["transformer_options"] = options.get("transformer_options", {}).copy()
            replace = {"attn1": {("middle", 0): lambda q, k, v, extra_options: v}}
            options["transformer_options"]["patches_replace"] = replace
            (weak,) = comfy.samplers.calc_cond_batch(
                args["model"], [args["cond"]], args["input"], args["sigma"], options
            )
            return args["denoised"] + 2.0 * (args["cond_denoised"] - weak)

        m.set_model_sampler_post_cfg_function(away)
        return (m,)


class FunctionWrapper(Patching):
    def patch(self, model):
        m = model.clone()

        def wrapper(apply_model, args):
            x, t, c = args["input"], args["timestep"], dict(args["c"])
            c["c_crossattn"] = c["c_crossattn"] * 1.3
            assert len(args["cond_or_uncond"]) * 1 == len(x) == len(t)
            return apply_model(x, t, **c) * 0.9

        m.set_model_unet_function_wrapper(wrapper)
        return (m,)


class OwnModelSampling(Patching):
    def patch(self, model):
        class Zoomed(comfy.model_sampling.EPS):
            def calculate_denoised(self, sigma, model_output, model_input):
                return super().calculate_denoised(sigma, model_output, model_input) * 0.7

        class Sampling(comfy.model_sampling.ModelSamplingDiscrete, Zoomed):
            def __init__(self, model_config=None):
                super().__init__(model_config)
                self.set_sigmas(self.sigmas[::2] * 0.5)

        m = model.clone()
        m.add_object_patch("model_sampling", Sampling(model.model.model_config))
        return (m,)


class AddPatches(Patching):
    KEY = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    BIAS = "diffusion_model.out.0.bias"

    def patch(self, model):
        m = model.clone()
        shapes = {k: v.shape for k, v in m.model_state_dict("diffusion_model.").items()}
        torch.manual_seed(0)
        up, down = torch.randn(shapes[self.KEY][0], 2), torch.randn(2, shapes[self.KEY][1])
        taken = m.add_patches({self.KEY: ("lora", (up, down, 4.0, None, None, None)), "diffusion_model.no": (up,)}, 0.1)
        assert taken == [self.KEY]
        m.add_patches({self.BIAS: ("diff", (torch.ones(shapes[self.BIAS]),))}, 0.3, 0.5)
        return (m,)


class DenoiseMask(Patching):
    def patch(self, model):
        m = model.clone()

        def softer(sigma, denoise_mask, extra_options):
            threshold = 0.5 if float(sigma[0]) > 5.0 else 0.2
            assert len(extra_options["sigmas"]) == 4
            return (denoise_mask >= threshold).to(denoise_mask.dtype)

        m.set_model_denoise_mask_function(softer)
        return (m,)


NODE_CLASS_MAPPINGS = {cls.__name__: cls for cls in Patching.__subclasses__()}
