"""The linear parts of a pMOS head, solved for on rated images: the start of a fit, and with few images most of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch

from relational_iqa.benchmarks.regression import MIN_RATED, fit_regressor
from relational_iqa.networks.pmos_head import MOS_MAX, MOS_MIN, PmosHead
from relational_iqa.training.pmos.frozen_features import FrozenFeatures

_MARGIN = 0.1  # grades; scores nearer to the ends of the scale count as this far from them, or their logit is infinite


@torch.no_grad()
def solve_head(head: PmosHead, features: FrozenFeatures, targets: np.ndarray) -> None:
    """Sets the linear parts such that the logit of the MOS of an image is about what people say of it.

    Ridge regression of the logit on the mean features (weighted as the head weights places), the scene and the logit
    that the head gave before, whose share scales what is learned without people. Fewer than MIN_RATED images leave the
    head as it is.

    Args:
        head: whose linear parts are set; those of the scene gain nothing where it leaves FiLM out.
        features: of N rated images.
        targets: (N,) MOS in [1, 5].
    """
    if len(targets) < MIN_RATED:
        return
    plain = features.weighted if head.use_roi else features.mean
    before = _logit(features.before)[:, None]
    parts = [before, plain, features.embedding.numpy() if head.use_film else np.zeros((len(before), 0))]
    regressor = fit_regressor(np.concatenate(parts, 1), _logit(targets))
    slopes = regressor.coefficients / regressor.scale
    constant = regressor.intercept - float(slopes @ regressor.mean)
    share, of_features, of_scene = slopes[0], slopes[1 : 1 + plain.shape[1]], slopes[1 + plain.shape[1] :]
    # The logit is score(h) + fitted(features) + fitted_scene(scene) + first; wanted is share times that, and more.
    first = head.first_logit
    for values in (*head.score.parameters(), *head.fitted.parameters(), *head.fitted_scene.parameters()):
        values.mul_(float(share))
    assert head.score.bias is not None
    head.score.bias += (share - 1) * first + constant
    head.fitted.weight += torch.from_numpy(of_features).to(head.fitted.weight)[None, :, None, None]
    if head.use_film:
        head.fitted_scene.weight += torch.from_numpy(of_scene).to(head.fitted_scene.weight)[None]


def inner_split(scenes: Sequence[Hashable], share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the images that are learned from, and of those that are watched: about `share` of the scenes, at least
    one, none where there are fewer than three scenes or `share` is 0."""
    named = list(dict.fromkeys(scenes))
    count = round(share * len(named)) if share and len(named) > 2 else 0
    count = max(1, count) if share and len(named) > 2 else 0
    chosen = np.random.default_rng([seed, 9]).permutation(len(named))[:count]
    watched = {named[i] for i in chosen}
    inside = np.array([scene in watched for scene in scenes], dtype=bool)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def _logit(mos: np.ndarray) -> np.ndarray:
    share = (np.clip(mos, MOS_MIN + _MARGIN, MOS_MAX - _MARGIN) - MOS_MIN) / (MOS_MAX - MOS_MIN)
    found: np.ndarray = np.log(share / (1 - share))
    return found
