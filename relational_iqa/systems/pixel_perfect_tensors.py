"""The core for images that are tensors already: tensors in, tensors or numbers out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relational_iqa.networks.joint_margin import PairVerdict
from relational_iqa.systems.maps_of_answer import enlarged_to
from relational_iqa.systems.network_inference import NetworkInference
from relational_iqa.systems.tiled_networks import TiledNetworks
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.tiling.tile_geometry import inside_share, pad_to_grid
from relational_iqa.viewing.tensor_images import check_images
from relational_iqa.viewing.visibility import visible_difference


class OfTensors:
    """Relations, qualities and margins of tensors in [0, 1]: of one image in tiles, of batches whole.

    Args:
        networks: the networks.
        tiled: the same, over the tiles of images.
    """

    def __init__(self, networks: NetworkInference, tiled: TiledNetworks) -> None:
        self._networks, self._tiled = networks, tiled
        self.device = networks.device

    @torch.inference_mode()
    def relate(self, a: Float[Tensor, "3 h w"], b: Float[Tensor, "3 h w"]) -> Float[Tensor, "k h w"]:
        """M(a, b) of one pair, without a reference; channel order of `AXES`. Raises ImageError, see `check_images`."""
        check_images(False, a=a, b=b)
        maps = self._tiled.relation(StoredImage(a.float(), "a"), StoredImage(b.float(), "b"))
        return enlarged_to(torch.from_numpy(maps)[None], a)[0].to(self.device)

    @torch.inference_mode()
    def quality(self, image: Float[Tensor, "3 h w"], reference: Float[Tensor, "3 h w"]) -> float:
        """Quality (<= 0, levels) of an image against its reference. Raises ImageError, see `check_images`."""
        check_images(False, image=image, reference=reference)
        return self._tiled.quality(StoredImage(image.float(), "image"), StoredImage(reference.float(), "reference"))

    @torch.inference_mode()
    def judgement(self, image: Float[Tensor, "3 h w"]) -> float:
        """How good an image looks alone, levels, higher is better: a part of every margin without a reference. It knows
        nothing of the scene, so compare it within one scene, or with many images of each kind.

        Raises:
            ImageError: see `check_images`.
            UsageError: for weights without a judgement.
        """
        check_images(False, image=image)
        return self._tiled.judgement(StoredImage(image.float(), "image"))

    @torch.inference_mode()
    def relate_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        """M(a, b) of pairs of one size, each batch at once. Raises ImageError, see `check_images`."""
        return enlarged_to(self._networks.pair(*self._batch(a=a, b=b)).maps, a)

    @torch.inference_mode()
    def quality_batch(
        self, tests: Float[Tensor, "b 3 h w"], references: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, " b"]:
        """Qualities of images against their references. Raises ImageError, see `check_images`."""
        test, reference, inside = self._batch(tests=tests, references=references)
        (found,) = self._networks.against([test], reference, inside)
        return self._networks.quality(found.sums)

    @torch.inference_mode()
    def margin_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Margins of pairs without a reference; > 0 where a is better. Raises ImageError, see `check_images`."""
        return self.verdict_batch(a, b).margin

    @torch.inference_mode()
    def verdict_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> PairVerdict:
        """Margins of pairs without a reference, and how sure their signs are where the weights tell that. Raises
        ImageError, see `check_images`."""
        return self._networks.verdict(self._networks.pair(*self._batch(a=a, b=b)).sums)

    @torch.inference_mode()
    def visible_difference_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """`visible_difference` of pairs of one size. Raises ImageError, see `check_images`."""
        return visible_difference(*self._batch(a=a, b=b))

    def _batch(self, **images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        check_images(True, **images)
        x, y = images.values()
        inside = inside_share(x.shape[-2], x.shape[-1]).to(self.device)
        first, second = (pad_to_grid(images.to(self.device, torch.float32)) for images in (x, y))
        return first, second, inside
