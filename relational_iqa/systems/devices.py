"""Where the networks run and in which precision; torch is imported only when something is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from distortion_engine.errors import UsageError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
DEVICES = ("cpu", "cuda", "mps")


def available_devices() -> list[str]:
    """Names of the devices that can be used here, "cpu" first; each GPU of several by its number, as "cuda:1"."""
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found += ["cuda", *(f"cuda:{index}" for index in range(1, torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def find_device(name: str) -> torch.device:
    """The device called `name`. UsageError names those that there are."""
    import torch

    there = available_devices()
    if ("cuda" if name == "cuda:0" else name) not in there:
        raise UsageError(f"device {name!r} is not available here; there is {', '.join(there)}")
    return torch.device(name)


def find_precision(name: str) -> torch.dtype:
    """The torch type called `name`, one of PRECISIONS. UsageError for another."""
    import torch

    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r}: expected one of {', '.join(PRECISIONS)}")
    dtype: torch.dtype = getattr(torch, name)
    return dtype
