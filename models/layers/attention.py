"""Scaled dot-product attention, and the module whose key names LDM networks use."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .call import AttentionPatches, Site
from .placement import Placement


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, *, causal: bool = False) -> Tensor:
    """q: b n c; k, v: b m c with c = heads * head_dim. Returns b n c."""
    b, n, c = q.shape
    q, k, v = (t.view(b, -1, heads, t.shape[-1] // heads).transpose(1, 2) for t in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return out.transpose(1, 2).reshape(b, n, c)


class CrossAttention(nn.Module):
    """Attention of x over a context, or over itself when the two widths agree and no context is given."""

    def __init__(self, dim: int, context_dim: int, heads: int, head_dim: int, at: Placement) -> None:
        super().__init__()
        inner = heads * head_dim
        self.heads, self.head_dim = heads, head_dim
        self.to_q = at.linear(dim, inner, bias=False)
        self.to_k = at.linear(context_dim, inner, bias=False)
        self.to_v = at.linear(context_dim, inner, bias=False)
        self.to_out = nn.Sequential(at.linear(inner, dim))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """x: b n dim; context: b m context_dim."""
        context = x if context is None else context
        return self.to_out(attention(self.to_q(x), self.to_k(context), self.to_v(context), self.heads))  # type: ignore[no-any-return]

    def patched(self, x: Tensor, context: Tensor | None, patches: AttentionPatches, site: Site) -> Tensor:
        """The same with other people's patches around it."""
        context = x if context is None else context
        value = context
        for before in patches.before:
            x, context, value = before(x, context, value, site)
        replace = patches.replacement(site)
        if replace is None and "forward" in self.__dict__:  # someone put another attention in this place
            out = self.forward(x, context) if value is context else self.forward(x, context, value)  # type: ignore[call-arg]
        else:
            q, k, v = self.to_q(x), self.to_k(context), self.to_v(value)
            if replace is not None:
                mixed = replace(q, k, v, site)
            elif site.call.attend is not None:
                mixed = site.call.attend(q, k, v, self.heads, site)
            else:
                mixed = attention(q, k, v, self.heads)
            out = self.to_out(mixed)
        for after in patches.after:
            out = after(out, site)
        return out  # type: ignore[no-any-return]
