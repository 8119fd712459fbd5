"""Hooks on conditionings: groups of them travel, weight hooks are not carried out here yet."""

from __future__ import annotations

from enum import Enum

from ...missing import MissingAttribute


class EnumHookMode(Enum):
    """How weights that change during a run are kept."""

    MinVram = "minvram"
    MaxSpeed = "maxspeed"


class EnumHookType(Enum):
    """What a hook changes."""

    Weight = "weight"
    ObjectPatch = "object_patch"
    AdditionalModels = "add_models"
    TransformerOptions = "transformer_options"
    Injections = "add_injections"


class EnumWeightTarget(Enum):
    """Whose weights."""

    Model = "model"
    Clip = "clip"


class EnumHookScope(Enum):
    """Where a hook counts."""

    AllConditioning = "all_conditioning"
    HookedOnly = "hooked_only"


class Hook:
    """One change. Packs may derive from it; nothing here carries it out."""

    def __init__(self, hook_type=None, hook_ref=None, hook_id=None, hook_keyframe=None, hook_scope=None):
        raise MissingAttribute("comfy.hooks.Hook")


class HookGroup:
    """Hooks in a row."""

    def __init__(self):
        self.hooks = []

    def __len__(self):
        return len(self.hooks)

    def add(self, hook):
        if hook not in self.hooks:
            self.hooks.append(hook)

    def remove(self, hook):
        if hook in self.hooks:
            self.hooks.remove(hook)

    def contains(self, hook):
        return hook in self.hooks

    def clone(self):
        made = HookGroup()
        made.hooks = list(self.hooks)
        return made

    def clone_and_combine(self, other):
        made = self.clone()
        for hook in other.hooks if other is not None else ():
            made.add(hook)
        return made

    @staticmethod
    def combine_all_hooks(hooks_list, require_count=0):
        found = [group for group in hooks_list if group is not None]
        if not found or len(found) < require_count:
            return None
        made = found[0]
        for group in found[1:]:
            made = made.clone_and_combine(group)
        return made
