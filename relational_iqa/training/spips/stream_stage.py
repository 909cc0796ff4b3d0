"""The stage that trains what fuses the streams of SPIPS on a frozen backbone, without labels of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset

from relational_iqa.networks.error_maps import CONVENTIONAL
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.networks.spips_stages import Seen, StageSpips
from relational_iqa.networks.stage_distances import COARSE_STRIDE
from relational_iqa.training.losses.ranked_sets import certainty_weighted_mean, order_by_construction, share_in_order
from relational_iqa.training.losses.ranking import rank_logistic
from relational_iqa.training.spips.stage import SpipsLossWeights
from relational_iqa.training.spips.stream_rows import StreamRows
from relational_iqa.training.spips.teachers import Teachers, certain_pairs, teachers

_HUBER = 0.05  # severity; errors below are squared


@dataclass(frozen=True, eq=False)
class StreamBatches(Dataset[tuple[StreamRows, Teachers]]):
    """Item n: batch n, a function of (seed, n): sets drawn from several sources.

    Args:
        rows: of every source.
        taught: what the teachers say of them.
        per_batch: how many sets of each source are in a batch.
        seed: with n, decides what is drawn.
    """

    rows: tuple[StreamRows, ...]
    taught: tuple[Teachers, ...]
    per_batch: tuple[int, ...]
    seed: int

    def __getitem__(self, step: int) -> tuple[StreamRows, Teachers]:
        rng = np.random.default_rng([self.seed, step, 8])
        rows, taught = [], []
        for source, said, count in zip(self.rows, self.taught, self.per_batch, strict=True):
            total = len(source.certainty)
            chosen = torch.from_numpy(rng.choice(total, count, replace=total < count))
            rows.append(source.rows(chosen))
            taught.append(Teachers(*(values[chosen] for values in said)))
        return (
            StreamRows(*(torch.cat(values) for values in zip(*rows, strict=True))),
            Teachers(*(torch.cat(values) for values in zip(*taught, strict=True))),
        )


def seen_of(rows: StreamRows) -> Seen:
    """All images of the sets in a row."""
    members = rows.test.shape[1]
    reference = rows.reference.float().repeat_interleave(members, 0)
    return Seen(rows.maps.flatten(0, 1).float(), reference, rows.test.flatten(0, 1).float())


def deep_distances(rows: StreamRows, network: StageSpips) -> Float[Tensor, "sets members"]:
    """Distance of the stages in structure at half size, in the form of `stage_distances`."""
    comparison = network.comparison
    halves = range(comparison.full_taps, len(comparison.own_strides))
    coarse = [len(CONVENTIONAL) + i for i in halves if comparison.own_strides[i] >= COARSE_STRIDE]
    return torch.stack([values[:, coarse].float().mean((1, 2, 3)) for values in rows.maps])


class StreamObjective(nn.Module):
    """The network with its loss on a batch of rows."""

    def __init__(self, network: StageSpips, weights: SpipsLossWeights) -> None:
        super().__init__()
        self.network, self.weights = network, weights

    def forward(self, rows: StreamRows, taught: Teachers) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss: the order by construction; pairs of the batch that are certain; the level of the teachers, which counts
        less where the two families disagree."""
        quality = self.network.quality_of(seen_of(rows)).view_as(rows.ranks)
        quality = F.pad(quality, (1, 0))  # the reference has quality 0 by construction
        order = order_by_construction(F.pad(rows.ranks, (1, 0), value=-1), rows.certainty)
        difference = quality[:, :, None] - quality[:, None, :]
        quality = quality[:, 1:]
        flat = quality.flatten()
        severity = -quality / LEVELS_PER_SEVERITY
        level = F.smooth_l1_loss(severity, taught.level, beta=_HUBER, reduction="none")
        weights = self.weights
        parts = {
            "order": rank_logistic(difference, order),
            "agreed": rank_logistic(flat[:, None] - flat[None, :], certain_pairs(taught)),
            "consensus": certainty_weighted_mean(level, taught.disagreement),
            "order_right": share_in_order(difference, order),
        }
        loss = weights.order * parts["order"] + weights.agreed * parts["agreed"]
        return loss + weights.consensus * parts["consensus"], parts


class StreamStage:
    """What the trainer needs (see `Stage`); the items that are counted are images.

    Args:
        network: what is trained; its backbone is frozen.
        sources: rows of ranked sets.
        per_batch: how many sets of each source are in a batch.
        seed: decides what is drawn.
        weights: weights of the parts of the loss.
        keep_scales: whether the network keeps the scales it has instead of being calibrated on the first batch.
    """

    name = "spips"

    def __init__(
        self,
        network: StageSpips,
        sources: Sequence[StreamRows],
        per_batch: Sequence[int],
        seed: int,
        weights: SpipsLossWeights,
        keep_scales: bool = False,
    ) -> None:
        self.model = StreamObjective(network, weights)
        self.keep_scales = keep_scales
        self.items_per_batch = sum(per_batch) * sources[0].ranks.shape[1]
        together = StreamRows(*(torch.cat(values) for values in zip(*sources, strict=True)))
        deep = torch.cat([deep_distances(rows, network) for rows in sources])
        said = teachers(together.labels, deep, together.kinds, together.ranks, together.certainty)
        ends = np.cumsum([len(rows.certainty) for rows in sources])[:-1].tolist()
        parts = zip(*(values.tensor_split(ends) for values in said), strict=True)
        self.batches = StreamBatches(tuple(sources), tuple(Teachers(*part) for part in parts), tuple(per_batch), seed)

    def calibrate(self, batch: tuple[StreamRows, Teachers]) -> None:
        """Scales of what the learned parts see; a network that was trained before keeps its own."""
        if not self.keep_scales:
            self.model.network.calibrate_fusion(seen_of(batch[0]))

    def loss(
        self, model: nn.Module, batch: tuple[StreamRows, Teachers], step: int
    ) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `StreamObjective`."""
        loss, parts = model(*batch)
        return loss, parts

    def panels(self, batch: tuple[StreamRows, Teachers]) -> Mapping[str, Tensor]:
        """Nothing to look at: rows hold no pictures."""
        return {}
