"""Re-IQA for users: features of an image from two experts at two scales, and its quality from a fitted regressor.

model = reiqa.load()                              # shipped encoders, no network access
model.features("photo.jpg")                       # float32: quality at full and half size, then content
reiqa.load(regressor="mos.safetensors").score("photo.jpg")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from PIL import Image
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256
from distortion_engine.reading.image_io import MAX_PIXELS, load_image
from relational_iqa.networks.reiqa import ReIQAEncoders
from relational_iqa.networks.resnet_state import load_resnet
from relational_iqa.storage.regressor import Regressor, load_regressor
from relational_iqa.storage.reiqa_weights import load_encoders, save_encoders
from relational_iqa.systems.choices import EXPERTS, Experts
from relational_iqa.systems.devices import find_device
from relational_iqa.viewing.tensor_images import check_images

__all__ = ["EXPERTS", "Experts", "ReIQA", "Source", "features_of_files", "from_checkpoints", "load", "save_encoders"]
Source = str | Path | Image.Image | np.ndarray | Tensor


class ReIQA:
    """Two frozen encoders and, where one was given, the regressor fitted to their features.

    Args:
        encoders: the encoders.
        meta: name and sha256 of the encoders.
        regressor: maps features to scores; without one, images have features only.

    Raises:
        UsageError: for a regressor that was fitted to other encoders.
    """

    def __init__(self, encoders: ReIQAEncoders, meta: Mapping[str, Any], regressor: Regressor | None = None) -> None:
        self.encoders = encoders.eval().requires_grad_(False)
        self.device = next(encoders.parameters()).device
        self.meta = dict(meta)
        fitted_to = None if regressor is None else regressor.facts.get("encoders_sha256")
        if regressor is not None and fitted_to != self.meta.get("sha256"):
            raise UsageError(
                f"the regressor was fitted to encoders {str(fitted_to)[:12]}, these are "
                f"{str(self.meta.get('sha256'))[:12]}: give the encoders it belongs to, or fit it again"
            )
        self.regressor = regressor

    @torch.inference_mode()
    def features(
        self, image: Source, experts: Experts = "both", *, max_pixels: int = MAX_PIXELS
    ) -> Float32[np.ndarray, " d"]:
        """Features of the whole image at its own size and at half of it: quality, content, or both in this order.
        Nothing is resized or cropped otherwise, as in the paper."""
        features: np.ndarray = self.features_of_batch(load_image(image, max_pixels=max_pixels)[None], experts)[0]
        return features

    @torch.inference_mode()
    def features_of_batch(
        self, images: Float[Tensor, "b 3 h w"], experts: Experts = "both"
    ) -> Float32[np.ndarray, "b d"]:
        """The same for images in [0, 1] of one size. Raises ImageError, see `check_images`."""
        check_images(True, images=images)
        if experts not in EXPERTS:
            raise UsageError(f"experts {experts!r}: expected one of {', '.join(EXPERTS)}")
        chosen = ("quality", "content") if experts == "both" else (experts,)
        found = self.encoders.two_scales(images.to(self.device, torch.float32), chosen)
        features: np.ndarray = found.float().cpu().numpy()
        if not np.isfinite(features).all():
            name = self.meta.get("name")
            raise UsageError(f"features are not finite: the weights {name} are damaged or of another use")
        return features

    def embedding_columns(self, expert: str) -> Int[np.ndarray, " n"]:
        """Which of the features of one expert are what its contrast trained: all of a ResNet's; of others those that
        follow the moments of the backbone, at both scales."""
        encoder = getattr(self.encoders, expert)
        ends = (encoder.features, 2 * encoder.features)
        return np.concatenate([np.arange(end - encoder.embedding, end) for end in ends])

    def score(self, image: Source, *, max_pixels: int = MAX_PIXELS) -> float:
        """Quality in the unit and direction of the scores that the regressor was fitted to, not clipped to their
        range. UsageError without a regressor."""
        if self.regressor is None:
            raise UsageError("Re-IQA scores with a fitted regressor: fit one with riqa fit-reiqa --rated DATA --out R")
        experts = self.regressor.facts.get("experts", "both")
        return float(self.regressor.predict(self.features(image, experts, max_pixels=max_pixels)[None])[0])


def load(
    weights: str | Path | None = None, regressor: str | Path | None = None, device: str | torch.device = "cpu"
) -> ReIQA:
    """Encoders by path or by the name of shipped ones (None: the default), with a regressor by path if one is given.

    Raises UsageError for files that are missing, damaged, foreign or do not belong together.
    """
    encoders, meta = load_encoders(weights)
    return ReIQA(encoders.to(find_device(str(device))), meta, None if regressor is None else load_regressor(regressor))


def from_checkpoints(
    quality: str | Path, content: str | Path, regressor: str | Path | None = None, device: str | torch.device = "cpu"
) -> ReIQA:
    """Encoders from two ResNet files, for example those that the authors released or an ImageNet state dict.

    `networks.resnet_state` describes the layouts that are read. `meta["loaded"]` has a line for each file that says
    which tensors were used and which were not.

    Args:
        quality: file of the quality encoder, for example `quality_aware_r50.pth`.
        content: file of the content encoder, for example `content_aware_r50.pth`.
        regressor: file of a regressor that was fitted to these encoders, or None.
        device: "cpu", "cuda", "cuda:1" ..., or "mps".

    Raises:
        UsageError: for files that are missing, damaged or of another kind, or that do not belong together.
    """
    loaded = [load_resnet(path) for path in (quality, content)]
    digests = [file_sha256(Path(path)) for path in (quality, content)]
    meta = {
        "name": "+".join(Path(path).stem for path in (quality, content)),
        "sha256": "+".join(digests),
        "loaded": [report.summary() for _, report in loaded],
    }
    encoders = ReIQAEncoders(loaded[0][0], loaded[1][0])
    return ReIQA(encoders.to(find_device(str(device))), meta, None if regressor is None else load_regressor(regressor))


def features_of_files(
    model: ReIQA, paths: Sequence[Path], experts: Experts = "both", max_pixels: int = MAX_PIXELS
) -> Float32[np.ndarray, "n d"]:
    """Features of image files, one row each, with a progress line.

    Args:
        model: the encoders.
        paths: image files.
        experts: which encoders give features: "both", "quality" or "content".
        max_pixels: largest width x height that is decoded.
    """
    from distortion_engine.jobs.progress import progress

    rows = []
    with progress(len(paths), "images") as tick:
        for path in paths:
            rows.append(model.features(path, experts, max_pixels=max_pixels))
            tick()
    return np.stack(rows)
