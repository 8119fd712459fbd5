"""The base of adapters, and the three forms that files have."""

from __future__ import annotations

from ....patchers import weights


class WeightAdapterBase:
    """weights: the tensors, in the order of the form `name`."""

    name = ""

    def __init__(self, loaded_keys, weights):
        self.loaded_keys = loaded_keys
        self.weights = weights

    @classmethod
    def load(cls, x, lora, alpha, dora_scale, loaded_keys=None):
        return None

    def to_train(self):
        raise NotImplementedError

    def calculate_weight(
        self, weight, key, strength, strength_model, offset, function, intermediate_dtype=None, original_weight=None
    ):  # fmt: skip
        return weight


class Form(WeightAdapterBase):
    """A form that `models.deltas` knows."""

    def calculate_weight(
        self, weight, key, strength, strength_model, offset, function, intermediate_dtype=None, original_weight=None
    ):  # fmt: skip
        return weights.changed(weight, self.name, tuple(self.weights), strength, function)


class LoRAAdapter(Form):
    """Low rank: up, down, alpha, mid, dora_scale, reshape."""

    name = "lora"


class LoHaAdapter(Form):
    """Two low-rank products, multiplied."""

    name = "loha"


class LoKrAdapter(Form):
    """A Kronecker product."""

    name = "lokr"
