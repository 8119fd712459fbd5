"""How long is one guided step of SD1.5 on a processor, beside Diffusers in the same run?

    python tests/bench/bench_unet_cpu.py [--size 256] [--threads 2] [--repeats 5] [--dtypes fp32 bf16] [--json]

One step is one call of the U-Net on a batch of two. Weights are random: times do not depend on them. The two engines
take turns, so that other work on the machine meets both alike; the median counts.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def bind_package() -> None:
    """Makes `carrara` importable from the checkout, whatever its folder is called."""
    if "carrara" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "carrara", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["carrara"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["carrara"])


def filled(net: Any) -> Any:
    """A network made on the meta device, with weights that keep activations ordinary."""

    net = net.to_empty(device="cpu")
    for p in net.parameters():
        p.data.normal_(0, 0.02) if p.ndim > 1 and p.numel() < 1 << 20 else p.data.fill_(0.001)
    return net.eval().requires_grad_(False)


def ours(dtype: Any) -> Callable[..., Any]:
    import torch

    from carrara.models.layers.packed import pack_convolutions
    from carrara.models.unet import UNet, UNetConfig

    net = filled(UNet(UNetConfig(), device="meta", dtype=dtype)).to(memory_format=torch.channels_last)
    pack_convolutions(net)
    return lambda x, t, context: net(x, t, context)


def diffusers(dtype: Any) -> Callable[..., Any]:
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        net = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
    net = filled(net.to(dtype))
    return lambda x, t, context: net(x, t, context).sample


def measure(size: int, repeats: int, dtype_name: str) -> dict[str, dict[str, float]]:
    """Median seconds, spread and processor seconds per engine."""
    import torch

    dtype = getattr(torch, DTYPES[dtype_name])
    x = torch.randn(2, 4, size // 8, size // 8, dtype=dtype)
    t, context = torch.full((2,), 500.0), torch.randn(2, 77, 768, dtype=dtype)
    engines = {"carrara": ours(dtype), "diffusers": diffusers(dtype)}
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    with torch.no_grad():
        for i in range(repeats + 1):
            for name, call in engines.items():
                wall, cpu = time.perf_counter(), time.process_time()
                call(x, t, context)
                if i:  # the first call warms up
                    seen[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    del engines
    gc.collect()
    return {name: summary(times) for name, times in seen.items()}


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    walls, cpus = [w for w, _ in times], [c for _, c in times]
    return {
        "seconds": round(statistics.median(walls), 3),
        "fastest": round(min(walls), 3),
        "slowest": round(max(walls), 3),
        "cpu_seconds": round(statistics.median(cpus), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"], choices=DTYPES)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bind_package()
    import torch

    torch.set_num_threads(options.threads)
    results = {name: measure(options.size, options.repeats, name) for name in options.dtypes}
    if options.json:
        print(json.dumps(results))
        return
    print(
        f"SD1.5, {options.size} x {options.size}, one guided step, {options.threads} threads, torch {torch.__version__}"
    )
    for dtype, engines in results.items():
        for name, row in engines.items():
            print(
                f"  {dtype:5} {name:10} {row['seconds']:7.3f} s  ({row['fastest']:.3f} .. {row['slowest']:.3f})"
                f"  {row['cpu_seconds']:7.3f} CPU-s"
            )
        print(f"  {dtype:5} ratio      {engines['carrara']['cpu_seconds'] / engines['diffusers']['cpu_seconds']:7.3f}")


if __name__ == "__main__":
    main()
