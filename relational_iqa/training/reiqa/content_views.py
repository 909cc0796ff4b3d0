"""The two views of a photograph that Re-IQA's content expert must recognise as one: augmentations of MoCo-v2 by kornia.

Chen et al., Improved Baselines with Momentum Contrastive Learning, arXiv:2003.04297: a random resized crop of 20 to
100 % of the area, colour jitter, grey in one of five, Gaussian blur in one of two, mirrored in one of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_AREA = (0.2, 1.0)
_JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
_JITTER_SHARE = 0.8
_GREY_SHARE = 0.2
_BLUR_PX = (0.1, 2.0)  # standard deviation
_KERNEL_PX = 15  # 3.5 standard deviations of the strongest blur to each side
_BLUR_SHARE = 0.5
_MIRRORED_SHARE = 0.5


def content_views(photos: Sequence[Tensor], patch_px: int, seed: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Two views (B, 3, P, P) of each of B photographs (3, H, W), all in [0, 1]; same seed, same views.

    Every view has draws of its own. Crops are bilinear without a low-pass filter; blur mirrors without the edge pixel.
    """
    from kornia import augmentation as K

    crop = K.RandomResizedCrop((patch_px, patch_px), _AREA, align_corners=False)
    jitter = K.ColorJitter(**_JITTER, p=_JITTER_SHARE)
    rest: list[Any] = [
        K.RandomGrayscale(p=_GREY_SHARE),
        K.RandomGaussianBlur(_KERNEL_PX, _BLUR_PX, p=_BLUR_SHARE),
        K.RandomHorizontalFlip(p=_MIRRORED_SHARE),
    ]
    with torch.random.fork_rng(devices=[]):  # kornia draws from the global generator of the CPU alone
        torch.manual_seed(int(np.random.SeedSequence(list(seed)).generate_state(1)[0]))
        views = torch.cat([crop(photo.expand(2, *photo.shape)) for photo in photos])  # (2 B, 3, P, P)
        # One by one: kornia draws the order of the four changes once a call, MoCo-v2 once a view.
        views = torch.cat([jitter(view[None]) for view in views])
        for augmentation in rest:
            views = augmentation(views)
    pairs = views.clamp(0, 1).unflatten(0, (-1, 2))
    return pairs[:, 0].contiguous(), pairs[:, 1].contiguous()
