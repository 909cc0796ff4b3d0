"""What is known of the pixels of two images before any network is asked, and the one rule by which it corrects the maps
of `compare`, `score` and `rank`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from relational_iqa.systems.known_noise import noise_of, raise_noise
from relational_iqa.systems.known_pixelation import blocks_of, call_pixelation
from relational_iqa.tiling.stored_image import StoredImage


@dataclass(frozen=True)
class KnownPixels:
    """Facts about two images, a and b.

    Args:
        blocks: sides of the blocks of equal pixels that a and b consist of, 1 for none. Blocks that the reference
            itself consists of are no defect of what is compared with it: only larger ones count beside it.
        shape: (H, W) of both.
        noise: measured severity of b's noise less that of a, on a coarse grid; None where nothing is told of it.
    """

    blocks: tuple[int, int]
    shape: tuple[int, int]
    noise: np.ndarray | None

    @classmethod
    def of(cls, a: StoredImage, b: StoredImage, reference: StoredImage | None = None) -> KnownPixels:
        """Looks at two images of one size, and at their reference where there is one: it may be a or b itself."""
        own = 1 if reference is None else blocks_of(reference)
        sides = [own if image is reference else blocks_of(image) for image in (a, b)]
        blocks = sides[0] if sides[0] > own else 1, sides[1] if sides[1] > own else 1
        plain = max(sides) == 1  # steps of equal blocks look like grain
        return cls(blocks, (a.shape[1], a.shape[2]), noise_of(a, b, reference) if plain else None)

    def correct(self, maps: Float32[np.ndarray, "c h w"]) -> tuple[float, float]:
        """Corrects maps in place: M(a, b), one channel an axis, then, with a reference, what b lacks more of the
        two-sided axes. Returns the shares of the picture in which they had missed noise of a, and of b."""
        call_pixelation(maps, *self.blocks)
        return (0.0, 0.0) if self.noise is None else raise_noise(maps, self.noise, self.shape)
