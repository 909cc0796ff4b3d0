"""Metrics by name, for programs that make them with `create_metric(name)` and call them with batches or files.

    metric = create_metric("riqa-fr", device="cuda")
    metric(images, references)  # (B,), one value an image; also metric("copy.jpg", "original.png")
    metric.lower_better, metric.metric_mode  # False, "FR"

The protocol is that of toolboxes of image quality metrics: tensors (B, 3, H, W) in [0, 1] or paths, one value for each
image, the direction as an attribute. The scores themselves are those of `relational_iqa.systems`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.image_io import load_image
from relational_iqa.viewing.tensor_images import check_images

Images = Tensor | str | os.PathLike[str]
Score = Callable[[Tensor, Tensor | None], float]
"""score(image, reference): of one image (3, H, W)."""


@dataclass(frozen=True)
class _Kind:
    """What a name stands for.

    Args:
        mode: "FR" with a reference, "NR" without.
        range: lowest and highest value.
        unit: of the values.
        score: (weights, device) -> the scorer of one image.
        loss: (weights, device) -> loss (B,) of a batch and its references, differentiable; None where there is none.
    """

    mode: Literal["FR", "NR"]
    range: tuple[float, float]
    unit: str
    score: Callable[[str | None, str], Score]
    loss: Callable[[str | None, str], Callable[[Tensor, Tensor], Tensor]] | None = None


def _given(reference: Tensor | None) -> Tensor:
    if reference is None:
        raise ImageError("no reference: this metric compares with one; call metric(images, references)")
    return reference


def _quality(weights: str | None, device: str) -> Score:
    from relational_iqa.systems.pixel_perfect import load

    model = load(weights, device)
    return lambda image, reference: model.quality(image, _given(reference))


def _quality_loss(weights: str | None, device: str) -> Callable[[Tensor, Tensor], Tensor]:
    from relational_iqa.systems.relational_loss import RelationalLoss

    return RelationalLoss(weights, "none").to(device)


def _judgement(weights: str | None, device: str) -> Score:
    from relational_iqa.systems.pixel_perfect import load

    model = load(weights, device)
    return lambda image, reference: model.judgement(image)


def _pmos(weights: str | None, device: str) -> Score:
    from relational_iqa.systems.pmos import load

    model = load(weights, device)
    return lambda image, reference: model.mos(image)


def _spips(weights: str | None, device: str) -> Score:
    from relational_iqa.systems.spips import load

    model = load(weights, device)
    return lambda image, reference: model.quality(image, _given(reference))


def _spips_loss(weights: str | None, device: str) -> Callable[[Tensor, Tensor], Tensor]:
    from relational_iqa.systems.spips import load

    model = load(weights, device)
    return lambda images, references: -model(images, references)


_INFINITE = float("inf")
_BELOW = "severity levels below the reference"
_KINDS = {
    "riqa-fr": _Kind("FR", (-_INFINITE, 0.0), _BELOW, _quality, _quality_loss),
    "riqa-spips": _Kind("FR", (-_INFINITE, 0.0), _BELOW, _spips, _spips_loss),
    "riqa-pmos": _Kind("NR", (1.0, 5.0), "MOS", _pmos),
    "riqa-alone": _Kind("NR", (-_INFINITE, _INFINITE), "severity levels, comparable within a scene", _judgement),
}
METRIC_NAMES: tuple[str, ...] = tuple(_KINDS)
"""What `create_metric` takes."""


class NamedMetric(nn.Module):
    """One metric; see `create_metric`. Images are scored one by one at their own size, so a batch says what they say
    alone.

    Its weights are not in `parameters()` or `state_dict()`.

    Args:
        name: one of METRIC_NAMES.
        weights: None for the shipped ones, the name of others, or a path.
        device: where it computes; None for where the images are, the CPU for files.
        as_loss: whether it is a loss, see `create_metric`.

    Raises:
        UsageError: for an unknown name, weights that cannot be used, a device that is not there, and a loss of a
            metric that has none.
    """

    def __init__(
        self,
        name: str,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
        as_loss: bool = False,
    ) -> None:
        super().__init__()
        if name not in _KINDS:
            raise UsageError(f"metric {name!r}: expected one of {', '.join(METRIC_NAMES)}")
        self._kind = _KINDS[name]
        if as_loss and self._kind.loss is None:
            able = ", ".join(other for other, kind in _KINDS.items() if kind.loss is not None)
            raise UsageError(f"{name} is no loss: it has no gradient; as_loss=True is for {able}")
        self.metric_name = name
        self.metric_mode = self._kind.mode
        self.lower_better = as_loss
        low, high = self._kind.range
        self.score_range = (-high + 0.0, -low) if as_loss else (low, high)
        self.unit = self._kind.unit
        self.as_loss = as_loss
        self.device = None if device is None else str(device)
        self._weights = None if weights is None else str(weights)
        self._loaded: dict[str, Any] = {}
        self._on(self.device or "cpu")  # what cannot be loaded is told here

    def forward(self, images: Images, references: Images | None = None) -> Tensor:
        """Values (B,), or as a loss their mean, on the device of the images.

        Args:
            images: (B, 3, H, W) or (3, H, W), sRGB-encoded floats in [0, 1], or the path of one image.
            references: the same for the pristine images, one for each image; a metric without reference ignores it.

        Raises:
            ImageError: for anything that is no usable image, for sizes that differ, and where references are missing.
        """
        batch = _batch("images", images)
        pristine = None if references is None or self.metric_mode == "NR" else _batch("references", references)
        if self.metric_mode == "FR":
            pristine = _given(pristine)
            check_images(True, images=batch, references=pristine)
        else:
            check_images(True, images=batch)
        device = self.device or str(batch.device)
        if self.as_loss:
            loss = self._on(device)(batch.to(device), _given(pristine).to(device))
            mean: Tensor = loss.mean().to(batch.device)
            return mean
        with torch.inference_mode():
            score = self._on(device)
            others: Sequence[Tensor | None] = [None] * len(batch) if pristine is None else list(pristine)
            values = [score(image, other) for image, other in zip(batch, others, strict=True)]
        return torch.tensor(values, dtype=torch.float32, device=batch.device)

    def extra_repr(self) -> str:
        """What `print(metric)` says of it."""
        return f"{self.metric_name!r}, {self.metric_mode}, {'lower' if self.lower_better else 'higher'} is better"

    def _on(self, device: str) -> Any:
        """The scorer or loss on a device, loaded once."""
        if device not in self._loaded:
            make = self._kind.loss if self.as_loss and self._kind.loss is not None else self._kind.score
            held = make(self._weights, device)
            # In a tuple, so that nn.Module does not register a loss that is one: its weights are nobody's parameters.
            self._loaded[device] = (held,)
        return self._loaded[device][0]


def create_metric(
    metric_name: str,
    as_loss: bool = False,
    device: str | torch.device | None = None,
    weights: str | Path | None = None,
) -> NamedMetric:
    """A metric by name.

    Args:
        metric_name: "riqa-fr" and "riqa-spips" score images against references, "riqa-pmos" and "riqa-alone" score
            single images.
        as_loss: gives the mean of the batch with gradients with respect to the images, turned so that lower is better:
            minus the quality. For "riqa-fr" and "riqa-spips".
        device: where it computes; None for where the images are, the CPU for files.
        weights: None for the shipped ones, the name of others, or a path.

    Raises:
        UsageError: see `NamedMetric`.
    """
    return NamedMetric(metric_name, weights, device, as_loss)


def _batch(what: str, images: Images) -> Tensor:
    """Images as a batch (B, 3, H, W)."""
    if isinstance(images, str | os.PathLike):
        return load_image(images)[None]
    if not isinstance(images, Tensor):
        raise ImageError(f"{what}: {type(images).__name__}, expected a tensor (B, 3, H, W) in [0, 1] or a path")
    return images[None] if images.ndim == 3 else images
