"""What a frozen pMOS encoder says of rated images, for a head that is fitted to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distortion_engine.reading.image_io import load_image
from relational_iqa.networks.pmos_encoder import MOS_CELL_PX
from relational_iqa.networks.pmos_head import thumbnail
from relational_iqa.systems.pmos import PMOS, pooled_sums
from relational_iqa.training.data.stored_arrays import LARGEST_HALF


@dataclass(frozen=True)
class FrozenFeatures:
    """Output of a frozen encoder for N images.

    Args:
        cells: (N, P, C) float16, features of P randomly drawn cells of each image.
        embedding: (N, E), embedding of each image.
        mean: (N, C), mean of the features over all cells of each image.
        weighted: (N, C), the same with the region-of-interest weights of the head before the fit.
        before: (N,), MOS of each image by the head before the fit.
    """

    cells: Tensor
    embedding: Tensor
    mean: np.ndarray
    weighted: np.ndarray
    before: np.ndarray

    def take(self, index: np.ndarray) -> FrozenFeatures:
        """Those of some of the images."""
        return FrozenFeatures(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@torch.inference_mode()
def frozen_features(
    model: PMOS, files: Sequence[Path], cells: int, seed: int, log: Callable[[str], None] = lambda text: None
) -> FrozenFeatures:
    """Features of image files; every image is encoded once.

    Args:
        model: model whose encoder is used.
        files: image files.
        cells: number of cells drawn from each image, with replacement; cells that reach beyond the image are left out.
        seed: with the position of an image in `files`, decides which cells are drawn.
        log: receives a line of progress now and then.
    """
    kept, embeddings, means, weighted, before = [], [], [], [], []
    for index, file in enumerate(files):
        image = load_image(file).to(model.device)
        rows, columns = (max(1, side // MOS_CELL_PX) for side in image.shape[-2:])
        drawn = np.random.default_rng([seed, index, 5]).integers(0, rows * columns, cells)
        row, column = torch.from_numpy(drawn // columns), torch.from_numpy(drawn % columns)
        embedding = model.network.embed(thumbnail(image[None]))
        chosen = torch.empty(cells, model.network.encoder.channels)
        total, heavy, sums = np.zeros(chosen.shape[1]), np.zeros(chosen.shape[1] + 1), np.zeros(2)
        for tile, features in model.feature_tiles(image):
            top, left, bottom, right = (edge // MOS_CELL_PX for edge in tile.core)
            y, x = tile.outer[0] // MOS_CELL_PX, tile.outer[1] // MOS_CELL_PX
            here = (row >= top) & (row < bottom) & (column >= left) & (column < right)
            chosen[here] = features[0, :, row[here] - y, column[here] - x].T.cpu()
            core = features[0, :, top - y : min(bottom, rows) - y, left - x : min(right, columns) - x]
            total += core.double().sum((1, 2)).cpu().numpy()
            maps = model.network.head(features, embedding)
            roi = maps.roi[0, :, top - y : min(bottom, rows) - y, left - x : min(right, columns) - x]
            heavy += torch.cat([roi, roi * core]).double().sum((1, 2)).cpu().numpy()
            sums += pooled_sums(maps, tile, image)
        kept.append(chosen.clamp(-LARGEST_HALF, LARGEST_HALF).half())
        embeddings.append(embedding[0].cpu())
        means.append(total / (rows * columns))
        weighted.append(heavy[1:] / heavy[0])
        before.append(sums[0] / sums[1])
        if (index + 1) % 50 == 0 or index + 1 == len(files):
            log(f"features of {index + 1} of {len(files)} images")
    # clone: tensors made in inference mode cannot take part in training
    return FrozenFeatures(
        torch.stack(kept).clone(),
        torch.stack(embeddings).clone(),
        np.stack(means),
        np.stack(weighted),
        np.array(before, dtype=np.float64),
    )
