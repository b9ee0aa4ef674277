"""Where a training step's time goes, and what its matrix products alone would take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from statistics import median

import torch
from torch import Tensor
from torch.autograd.profiler import profile

from benchmarks.measure import timed

GROUPS: Mapping[str, tuple[str, ...]] = {
    "matrix products": ("mm", "addmm", "bmm", "baddbmm", "linear", "mkldnn"),
    "attention kernel": ("_scaled_dot_product", "_flash", "_efficient"),
    "norms, softmax, GELU": ("native_layer_norm", "_softmax", "softmax", "gelu"),
    "optimiser": ("_fused_sgd", "_foreach", "linalg_vector_norm"),
    "loss": ("_log_softmax", "nll_loss", "cross_entropy"),
    "copies and casts": ("copy_", "cat", "clone", "contiguous", "_to_copy", "stack", "fill_", "zero_"),
    "data": ("index", "upsample", "div", "clamp", "sub"),
    "element-wise": ("add", "mul", "sum", "neg", "pow"),
}
"""By the beginning of an operator's name, the first group that fits."""
REST = "the rest: autograd, views, dispatch"
_PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm")
_STEPS = 5


def breakdown(learn: Callable[[int], object], device: torch.device) -> tuple[dict[str, float], Products]:
    """Seconds of a step by group of operators, and its matrix products.

    Args:
        learn: Takes so many steps.
        device: On which.
    """
    learn(1)
    with profile(use_device="cuda" if device.type == "cuda" else None, record_shapes=True) as recorded:
        learn(_STEPS)
    totals: Counter[str] = Counter()
    products: Products = Counter()
    for event in recorded.key_averages(group_by_input_shape=True):
        if event.device_type.name != "CPU":  # kernels are counted with the operators that start them
            continue
        spent = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        totals[group_of(event.key)] += spent / 1e6 / _STEPS
        if event.key in _PRODUCTS:
            shapes = [tuple(shape) for shape in event.input_shapes if len(shape) > 1]
            products[shapes[0], shapes[1]] += event.count // _STEPS
    return dict(totals.most_common()), products


Shape = tuple[int, ...]
Products = Counter[tuple[Shape, Shape]]
"""Shapes of both factors, and how often a step multiplies such."""


def group_of(operator: str) -> str:
    """The group that an operator is counted in."""
    name = operator.removeprefix("aten::")
    if name == operator:
        return REST
    return next((group for group, begins in GROUPS.items() if name.startswith(begins)), REST)


def flops_of(products: Products) -> int:
    """Floating-point operations of all products."""
    return sum(count * _flops(left, right) for (left, right), count in products.items())


def seconds_of(products: Products, device: torch.device, dtype: torch.dtype) -> float:
    """What the products take one after the other, with nothing in between: the floor of a step."""
    return sum(
        count * seconds
        for (_, count), seconds in zip(products.items(), _each(products, device, dtype), strict=True)
    )


def _each(products: Products, device: torch.device, dtype: torch.dtype) -> Iterator[float]:
    for left, right in products:
        a, b = (torch.rand(shape, device=device).to(dtype) for shape in (left, right))
        _multiply(a, b, 2)
        yield median(timed(lambda a=a, b=b: _multiply(a, b, 4), device) / 4 for _ in range(5))  # type: ignore[misc]


def _multiply(a: Tensor, b: Tensor, times: int) -> None:
    for _ in range(times):
        a @ b


def _flops(left: Shape, right: Shape) -> int:
    batch = left[0] if len(left) == 3 else 1
    return 2 * batch * left[-2] * left[-1] * right[-1]
