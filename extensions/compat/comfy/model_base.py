"""The model object of the ecosystem: a network with how it is sampled. Most are made from a handle of ours, and then
read their weights only when somebody asks for the network itself."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import TYPE_CHECKING

import comfy.latent_formats
import comfy.model_sampling
import comfy.patcher_extension
import torch

from ....errors import Unsupported
from ....models.materialise import repatched
from ....models.residency import Residency
from ...patchers import network
from ...patchers.sampling import sampling_of
from ...patchers.weights import tensors_of

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


class ModelType(Enum):
    """What a network puts out, and along which path."""

    EPS = 1
    V_PREDICTION = 2
    V_PREDICTION_EDM = 3
    STABLE_CASCADE = 4
    EDM = 5
    FLOW = 6
    V_PREDICTION_CONTINUOUS = 7
    FLUX = 8
    IMG_TO_IMG = 9
    FLOW_COSMOS = 10
    IMG_TO_IMG_FLOW = 11


KINDS = {
    ModelType.EPS: ("EPS", "ModelSamplingDiscrete"),
    ModelType.V_PREDICTION: ("V_PREDICTION", "ModelSamplingDiscrete"),
    ModelType.V_PREDICTION_EDM: ("V_PREDICTION", "ModelSamplingContinuousEDM"),
    ModelType.EDM: ("EDM", "ModelSamplingContinuousEDM"),
    ModelType.FLOW: ("CONST", "ModelSamplingDiscreteFlow"),
    ModelType.V_PREDICTION_CONTINUOUS: ("V_PREDICTION", "ModelSamplingContinuousV"),
    ModelType.FLUX: ("CONST", "ModelSamplingFlux"),
    ModelType.IMG_TO_IMG: ("IMG_TO_IMG", "ModelSamplingDiscrete"),
    ModelType.FLOW_COSMOS: ("COSMOS_RFLOW", "ModelSamplingCosmosRFlow"),
}


def model_sampling(model_config, model_type):
    """How a model of that type is sampled."""
    if model_type not in KINDS:
        raise Unsupported("this kind of sampling", got=model_type.name, expected=", ".join(k.name for k in KINDS))
    output, levels = (getattr(comfy.model_sampling, name) for name in KINDS[model_type])

    class ModelSampling(levels, output):
        pass

    return ModelSampling(model_config)


def type_of(sampling):
    """The type an object has that says how a model is sampled."""
    for kind, (output, levels) in KINDS.items():
        ours = getattr(comfy.model_sampling, output), getattr(comfy.model_sampling, levels)
        if isinstance(sampling, ours[1]) and type(sampling).__mro__.count(ours[0]) and exact(sampling, ours[0]):
            return kind
    return ModelType.EPS


def exact(sampling, output):
    """Whether of all kinds of output it is this one, not one that builds on it."""
    more = [getattr(comfy.model_sampling, name) for name, _ in KINDS.values()]
    return not any(isinstance(sampling, kind) for kind in more if kind is not output and issubclass(kind, output))


class BaseModel(torch.nn.Module):
    """Made by packs from a configuration and a class of networks, or (`of_handle`) by us from a handle."""

    handle = None
    current_patcher = None

    def __init__(self, model_config, model_type=ModelType.EPS, device=None, unet_model=None):
        super().__init__()
        self.model_config = model_config
        self.latent_format = model_config.latent_format
        self.manual_cast_dtype = getattr(model_config, "manual_cast_dtype", None)
        self.device = device
        unet_config = dict(model_config.unet_config)
        if not unet_config.pop("disable_unet_model_creation", False):
            if unet_model is None:
                raise Unsupported("a model of a pack's own without a class of networks", got=type(self).__name__)
            self.diffusion_model = unet_model(**unet_config, device=device)
        self.model_type = model_type
        self.model_sampling = model_sampling(model_config, model_type)
        self.adm_channels = unet_config.get("adm_in_channels") or 0
        self.inpaint_model = False
        self._settle()

    def _settle(self):
        self.memory_usage_factor = 1.0
        self.model_loaded_weight_memory = 0
        self.lowvram_patch_counter = 0
        self.model_lowvram = False
        self.current_weight_patches_uuid = None

    @classmethod
    def of_handle(cls, handle):
        """handle: a Model of ours without patches."""
        import comfy.supported_models

        made = cls.__new__(cls)
        torch.nn.Module.__init__(made)
        made.handle = handle
        made.model_config = comfy.supported_models.of_handle(handle)
        made.latent_format = comfy.latent_formats.of_format(handle.latent)
        made.manual_cast_dtype = None
        made.device = HOST.services[Residency].device
        made.model_sampling = comfy.model_sampling.of_sampling(handle.sampling)
        made.model_type = type_of(made.model_sampling)
        made.adm_channels = handle.unet.config.adm_channels or 0
        made.inpaint_model = handle.unet.config.in_channels > handle.latent.channels
        made._settle()
        return made

    def __getattr__(self, name):
        if name == "diffusion_model" and self.handle is not None and name not in self._modules:
            from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

            held = network.Held(self, self.handle.unet, HOST.services[Residency], UNetModel)
            self.diffusion_model, self.__dict__["_first"] = held.net, held.first
            return held.net
        return super().__getattr__(name)

    def named_modules(self, *args, **kwargs):
        """What parameters, buffers and modules are counted by: the network's too, which is read for it."""
        if self.handle is not None:
            self.diffusion_model  # noqa: B018 - read now
        return super().named_modules(*args, **kwargs)

    @property
    def reached(self):
        """Whether the network is not, or may not be, what its handle makes any more."""
        first = self.__dict__.get("_first")
        return first is not None and network.made_of(self.diffusion_model) != first

    def __deepcopy__(self, memo):
        """A copy has a network of its own, which may be changed."""
        if self.handle is not None:
            self.diffusion_model  # noqa: B018 - read now, so that the copy does not share it
        return network.copied(self, memo)

    # --- the network --------------------------------------------------------------------------------------

    def apply_model(self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs):
        """Clean estimates of x at levels t: b."""
        options = {} if transformer_options is None else transformer_options
        extension = comfy.patcher_extension
        wrappers = extension.get_all_wrappers(extension.WrappersMP.APPLY_MODEL, options)
        executor = extension.WrapperExecutor.new_class_executor(self._apply_model, self, wrappers)
        return executor.execute(x, t, c_concat, c_crossattn, control, options, **kwargs)

    def _apply_model(self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs):
        options = {} if transformer_options is None else transformer_options
        if self.handle is None:
            return self._apply_own(x, t, c_concat, c_crossattn, control, options, **kwargs)
        model, residency = self.effective, HOST.services[Residency]
        with self.network() as net:
            return network.applied(
                model, net, residency, x, t, c_crossattn, c_concat, control, options, comfy.patcher_extension
            )

    def _apply_own(self, x, t, concat, context, control, options, **more):
        """A pack's own network, called as the ecosystem calls networks."""
        sampling = self.model_sampling
        seen = sampling.calculate_input(t, x)
        if concat is not None:
            seen = torch.cat([seen, concat], dim=1)
        dtype = self.get_dtype_inference()
        out = self.diffusion_model(
            seen.to(dtype), sampling.timestep(t).float(), context=None if context is None else context.to(dtype),
            control=control, transformer_options=options, **more,
        )  # fmt: skip
        return sampling.calculate_denoised(t, out.float(), x)

    @property
    def effective(self):
        """The handle as the patcher of this run has changed it."""
        patcher = self.current_patcher
        if patcher is not None:
            return patcher.effective()
        return self.handle.but(sampling=sampling_of(self.model_sampling, comfy.model_sampling.CONST))

    @contextmanager
    def network(self):
        """The network of this run, or of this one call."""
        running = self.__dict__.get("_running")
        with ExitStack() as stack:
            yield running[-1] if running else stack.enter_context(self._network(self.effective.unet))

    def _network(self, unet):
        """The network of a blueprint: the one that foreign code has in hand, where it is that, or was changed."""
        if "diffusion_model" in self._modules:
            if not unet.patches:
                return network.in_format(self.diffusion_model, unet.runs_in)
            if self.reached:
                return network.in_format(repatched(self.diffusion_model, unet), unet.runs_in)
        return HOST.services[Residency].use(unet)

    @contextmanager
    def running(self, patcher):
        """A run of this patcher: its weights, its objects in place."""
        before, self.current_patcher = self.current_patcher, patcher
        found = self.__dict__.setdefault("_running", [])
        with ExitStack() as stack:
            stack.callback(setattr, self, "current_patcher", before)
            if self.handle is not None:
                net = stack.enter_context(self._network(patcher.effective().unet))
                found.append(net)
                stack.callback(found.pop)
                inside = {
                    name.removeprefix(network.INSIDE): value
                    for name, value in patcher.object_patches.items()
                    if name.startswith(network.INSIDE)
                }
                stack.enter_context(network.patched(net, inside))
            rest = {k: v for k, v in patcher.object_patches.items() if not k.startswith(network.INSIDE)}
            stack.enter_context(network.patched(self, rest))
            yield self

    # --- what it says of itself ---------------------------------------------------------------------------

    def get_dtype(self):
        if self.handle is not None:
            return HOST.services[Residency].format(self.handle.unet)
        return next(self.diffusion_model.parameters()).dtype

    def get_dtype_inference(self):
        return self.manual_cast_dtype or self.get_dtype()

    def is_adm(self):
        return self.adm_channels > 0

    def encode_adm(self, **kwargs):
        return None

    def concat_cond(self, **kwargs):
        return None

    def extra_conds(self, **kwargs):
        """What a pack's own model is told beside the state: text, picture, vector."""
        import comfy.conds

        made = {}
        concat, adm = self.concat_cond(**kwargs), self.encode_adm(**kwargs)
        if concat is not None:
            made["c_concat"] = comfy.conds.CONDNoiseShape(concat)
        if adm is not None:
            made["y"] = comfy.conds.CONDRegular(adm)
        if kwargs.get("cross_attn") is not None:
            made["c_crossattn"] = comfy.conds.CONDCrossAttn(kwargs["cross_attn"])
        return made

    def extra_conds_shapes(self, **kwargs):
        return {}

    def process_latent_in(self, latent):
        return self.latent_format.process_in(latent)

    def process_latent_out(self, latent):
        return self.latent_format.process_out(latent)

    def scale_latent_inpaint(self, sigma, noise, latent_image, **kwargs):
        """The part that is kept, as noisy as the state is."""
        level = sigma.reshape([sigma.shape[0]] + [1] * (noise.ndim - 1))
        return self.model_sampling.noise_scaling(level, noise, latent_image)

    def memory_required(self, input_shape, cond_shapes=None):
        """Bytes a call takes, roughly."""
        cells = input_shape[0] * input_shape[2] * input_shape[3]
        return cells * self.get_dtype().itemsize * 0.01 * self.memory_usage_factor * (1024 * 1024)

    def state_dict(self, *args, **kwargs):
        """Stored weights, patches left out."""
        if self.handle is not None and "diffusion_model" not in self._modules:
            return dict(tensors_of(self.handle.unet, network.INSIDE))
        return super().state_dict(*args, **kwargs)

    def load_model_weights(self, sd, unet_prefix=""):
        found = {key[len(unet_prefix) :]: value for key, value in sd.items() if key.startswith(unet_prefix)}
        self.diffusion_model.load_state_dict(self.model_config.process_unet_state_dict(found), strict=False)
        return self

    def set_inpaint(self):
        self.inpaint_model = True
