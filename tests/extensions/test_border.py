"""Values cross the border and come back as they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carrara.extensions.border import Kind
from carrara.extensions.plain import Chain, plain_border
from carrara.models.values import Area, CondEntry, Conditioning, ControlUse, Latent

SAMPLES = torch.arange(32.0).reshape(2, 4, 2, 2)
MASK = torch.ones(1, 1, 4, 4)
KEYS: dict[str, Any] = {
    "pooled_output": torch.ones(1, 8),
    "control": object(),
    "control_apply_to_uncond": True,
    "area": (8, 9, 1, 2),
    "strength": 0.5,
    "mask": torch.ones(1, 4, 4),
    "mask_strength": 0.25,
    "set_area_to_bounds": True,
    "start_percent": 0.1,
    "end_percent": 0.9,
    "clip_start_percent": 0.0,
    "clip_end_percent": 1.0,
    "gligen": ("position", object(), []),
    "hooks": object(),
    "default": True,
    "width": 512,
    "height": 768,
    "crop_w": 0,
    "crop_h": 8,
    "target_width": 512,
    "target_height": 768,
    "aesthetic_score": 6.0,
    "concat_latent_image": SAMPLES,
    "concat_mask": MASK,
    "concat_image": torch.zeros(1, 3, 8, 8),
    "noise_augmentation": 0.3,
    "unclip_conditioning": [{"strength": 1.0}],
    "guidance": 3.5,
    "reference_latents": [SAMPLES],
    "attention_mask": torch.ones(1, 7),
    "attention_mask_img_shape": (1, 2),
    "cross_attn_controlnet": torch.ones(1, 2, 3),
    "pooled_output_controlnet": torch.ones(1, 3),
    "clip_vision_output": object(),
    "prompt_type": "x",
    "additional_models": [],
    "of_some_pack": {"deep": [1, 2]},
}


def same(one: Any, other: Any) -> bool:
    """Equal, tensors and strange objects by identity, and of equal types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one.keys() ^ other.keys()) == [] and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one is other if isinstance(one, torch.Tensor) else bool(one == other)


BESIDE = {
    "strength": 1.0, "mask_strength": 1.0, "set_area_to_bounds": False, "start_percent": 0.0, "end_percent": 1.0,
    "control_apply_to_uncond": False,
}  # fmt: skip
"""Keys that go out with these values although nothing was said, where a key goes out that they belong to."""


def back(made: list[Any], came: list[Any]) -> bool:
    """Every entry with all its keys, and no more than what belongs beside them."""
    added = [
        {key: value for key, value in now.items() if key not in was}
        for (_, now), (_, was) in zip(made, came, strict=True)
    ]
    kept = [
        [cond, {k: v for k, v in now.items() if k not in more}] for (cond, now), more in zip(made, added, strict=True)
    ]
    return same(kept, came) and all(same(more, {key: BESIDE[key] for key in more}) for more in added)


@pytest.mark.parametrize(
    "latent",
    [
        {"samples": SAMPLES},
        {"samples": SAMPLES, "noise_mask": MASK, "batch_index": [3, 1], "type": "audio"},
        {"samples": SAMPLES, "noise_mask": None, "batch_index": (0, 1), "type": None, "of_some_pack": [1]},
    ],
)
def test_a_latent_comes_back_with_the_same_keys(latent: dict[str, Any]) -> None:
    border = plain_border()
    ours = border.inward(latent, "LATENT")
    assert isinstance(ours, Latent)
    assert same(border.outward(ours), latent)


def test_what_a_latent_says_is_understood() -> None:
    latent = {"samples": SAMPLES, "noise_mask": MASK, "batch_index": [3, 1], "type": "audio", "x": 1}
    ours = plain_border().inward(latent)
    assert ours.samples is SAMPLES and ours.noise_mask is MASK
    assert (ours.batch_index, ours.kind, ours.extra) == ((3, 1), "audio", {"x": 1})
    assert plain_border().outward(ours.with_samples(MASK))["x"] == 1


def test_every_key_of_a_conditioning_comes_back() -> None:
    border = plain_border()
    foreign = [[torch.zeros(1, 7, 8), KEYS], [torch.zeros(1, 7, 8), {}]]
    ours = border.inward(foreign, "CONDITIONING")
    assert isinstance(ours, Conditioning)
    assert same(border.outward(ours), foreign)
    first = ours.entries[0]
    assert first.area == Area(8, 9, 1, 2)
    assert (first.strength, first.mask_strength, first.mask_bounds) == (0.5, 0.25, True)
    assert (first.start_percent, first.end_percent, first.default, first.control_to_uncond) == (0.1, 0.9, True, True)
    assert first.pooled is KEYS["pooled_output"] and first.concat_latent is SAMPLES and first.concat_mask is MASK
    assert first.extra["guidance"] == 3.5 and "area" not in first.extra and "mask" not in first.extra


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(
    st.fixed_dictionaries(
        {},
        optional={name: st.sampled_from([KEYS[name], None, 1, 1.0, 0, False, True, "text", ()]) for name in KEYS},
    )
)
def test_values_that_fit_no_field_come_back_too(said: dict[str, Any]) -> None:
    border = plain_border()
    foreign = [[SAMPLES, said]]
    assert back(border.outward(border.inward(foreign)), foreign)


@pytest.mark.parametrize("area", [("percentage", 0.5, 0.5, 0.0, 0.25), (2, 8, 9, 0, 1, 2), [8, 9, 1, 2]])
def test_areas(area: Any) -> None:
    border = plain_border()
    ours = border.inward([[SAMPLES, {"area": area}]])
    assert back(border.outward(ours), [[SAMPLES, {"area": area}]])
    assert ours.entries[0].area == (Area(0.5, 0.5, 0.0, 0.25, relative=True) if area[0] == "percentage" else None)


def test_what_we_change_goes_out_changed() -> None:
    border = plain_border()
    ours = border.inward([[SAMPLES, {"strength": 1.0, "area": (1, 2, 3, 4), "mask": None}]])
    changed = border.outward(ours.map(strength=0.5, area=None, mask=MASK))
    assert back(changed, [[SAMPLES, {"strength": 0.5, "mask": MASK}]])
    assert border.outward(ours.map(strength=0.5).map(strength=1.0))[0][1]["strength"] == 1.0


@pytest.mark.parametrize(
    ("ours", "names"),
    [
        ({}, set()),
        ({"strength": 0.5}, {"strength"}),
        ({"area": Area(8, 8, 0, 0)}, {"area", "strength", "set_area_to_bounds"}),
        ({"mask": MASK}, {"mask", "mask_strength", "set_area_to_bounds"}),
        ({"start_percent": 0.25}, {"start_percent", "end_percent"}),
        ({"end_percent": 0.75}, {"start_percent", "end_percent"}),
    ],
)
def test_keys_that_are_read_together_go_out_together(ours: dict[str, Any], names: set[str]) -> None:
    (pair,) = plain_border().outward(Conditioning((CondEntry(SAMPLES, **ours),)))
    assert set(pair[1]) == names
    assert all(pair[1][name] == BESIDE[name] for name in names - set(ours))


def test_ours_come_back() -> None:
    border = plain_border()
    use = ControlUse("net", MASK)
    entry = CondEntry(SAMPLES, MASK, Area(1, 2, 3, 4, relative=True), 2.0, control=(use,), extra={"guidance": 2.0})
    back = border.inward(border.outward(Conditioning((entry,)))).entries[0]
    for name in ("cond", "pooled", "area", "strength", "mask", "control", "control_to_uncond", "default", "extra"):
        one, other = getattr(back, name), getattr(entry, name)
        assert one is other or one == other, name


def test_empty_lists_are_conditionings_only_where_the_socket_says_so() -> None:
    border = plain_border()
    assert border.inward([]) == [] and border.inward([], "*") == []
    assert border.inward([], "CONDITIONING").entries == ()
    assert border.outward(Conditioning(())) == []


def test_lists_and_dicts_are_looked_through() -> None:
    border = plain_border()
    latent = Latent(SAMPLES)
    assert same(border.outward([latent, 3]), [{"samples": SAMPLES}, 3])
    assert same(border.outward(("a", {"b": latent})), ("a", {"b": {"samples": SAMPLES}}))
    several = border.inward([{"samples": SAMPLES}, {"samples": SAMPLES}], "LATENT")
    assert [type(item) for item in several] == [Latent, Latent]


@pytest.mark.parametrize("value", [3, "text", None, SAMPLES, [1, 2], {"waveform": SAMPLES, "sample_rate": 44100}, (1,)])
def test_other_values_cross_as_they_are(value: Any) -> None:
    border = plain_border()
    assert border.outward(value) is value
    assert border.inward(value) is value


@dataclass(frozen=True)
class Net:
    socket: ClassVar[str] = "NET"
    name: str


class ForeignNet:
    def __init__(self, name: str, before: ForeignNet | None = None) -> None:
        self.name = name
        self.before = before


def chain_out(chain: Chain, border: Any) -> ForeignNet:
    made: ForeignNet | None = None
    for use in chain.uses:
        made = ForeignNet(use.net.name, made)
    assert made is not None
    return made


def chain_in(value: ForeignNet, border: Any) -> Chain:
    uses: list[ControlUse] = []
    at: ForeignNet | None = value
    while at is not None:
        uses.insert(0, ControlUse(Net(at.name), MASK))
        at = at.before
    return Chain(tuple(uses))


NET_ROWS = (
    Kind("NET", Net, lambda v: isinstance(v, ForeignNet), lambda v, b: ForeignNet(v.name), lambda v, b: Net(v.name)),
    Kind("CONTROL", Chain, lambda v: isinstance(v, ForeignNet), chain_out, chain_in),
)


def test_rows_may_be_added() -> None:
    border = plain_border().plus(NET_ROWS)
    assert border.outward(Net("a")).name == "a"
    assert border.inward(ForeignNet("a")) == Net("a")
    assert border.inward(Net("a"), "NET") == Net("a")


def test_chained_control_nets_become_one_object_and_back() -> None:
    border = plain_border().plus(NET_ROWS)
    entry = CondEntry(SAMPLES, control=(ControlUse(Net("a"), MASK), ControlUse(Net("b"), MASK)))
    foreign = border.outward(Conditioning((entry,)))[0][1]["control"]
    assert (foreign.name, foreign.before.name) == ("b", "a")
    back = border.inward([[SAMPLES, {"control": foreign}]]).entries[0].control
    assert [use.net for use in back] == [Net("a"), Net("b")]


def test_a_later_row_replaces_an_earlier_one() -> None:
    row = Kind("LATENT", Latent, lambda v: v == "latent", lambda v, b: "latent", lambda v, b: Latent(SAMPLES))
    border = plain_border().plus((row,))
    assert border.outward(Latent(SAMPLES)) == "latent"
    assert border.inward("latent").samples is SAMPLES
