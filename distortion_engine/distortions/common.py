"""What every distortion shares: the per-sample calling convention, padding, convolution, warping and colour transforms.

A family file writes each distortion for one image, `(3, H, W)` and one `amount > 0`; `per_sample` turns that into the
batched pure function the catalogue holds. Working sample by sample makes a result independent of the batch it is in, to
the bit, and lets kernel sizes follow the amount.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from distortion_engine.errors import UsageError

Apply = Callable[[Tensor, Tensor, Mapping[str, Tensor], Sequence[Generator]], Tensor]
Support = Callable[[Tensor, Mapping[str, Tensor], Sequence[Generator], int, int], Tensor]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, as in JFIF
MIN_SIDE_PX = 16


def per_sample(function: Callable[..., Tensor]) -> Apply:
    """Batch `function(image (3, H, W), amount, generator, **params) -> (3, H, W)`, only called with amount > 0.

    The result has signature `(image (B, 3, H, W), amount (B,), params, generators) -> (B, 3, H, W)`: a new tensor of
    the same dtype and device in [0, 1]. A sample of amount 0 comes back equal to its input and draws nothing.
    Raises UsageError for a wrong shape, a negative or non-finite amount, or a wrong number of generators.
    """

    @functools.wraps(function)
    def apply(
        image: Tensor, amount: Tensor, params: Mapping[str, Tensor], generators: Sequence[Generator]
    ) -> Tensor:
        amounts = _checked(image, amount, generators)
        values = {name: value.tolist() for name, value in params.items()}
        outputs = []
        for i, strength in enumerate(amounts):
            source = image[i]
            if strength == 0.0:
                outputs.append(source.clone())
                continue
            own = {name: value[i] for name, value in values.items()}
            result = function(source.to(torch.float32).contiguous(), strength, generators[i], **own)
            outputs.append(result.clamp(0.0, 1.0).to(image.dtype))
        return torch.stack(outputs)

    return apply


def per_sample_support(function: Callable[..., Tensor]) -> Support:
    """Batch `function(amount, generator, height, width, **params) -> (H, W)` weights into `(B, 1, H, W)` in [0, 1].

    Draws in the same order as the distortion does, so generators seeded alike give the pixels that were touched.
    """

    @functools.wraps(function)
    def support(
        amount: Tensor, params: Mapping[str, Tensor], generators: Sequence[Generator], height: int, width: int
    ) -> Tensor:
        values = {name: value.tolist() for name, value in params.items()}
        weights = []
        for i, strength in enumerate(amount.tolist()):
            own = {name: value[i] for name, value in values.items()}
            empty = torch.zeros(height, width)
            weights.append(function(strength, generators[i], height, width, **own) if strength > 0.0 else empty)
        return torch.stack(weights)[:, None]

    return support


def _checked(image: Tensor, amount: Tensor, generators: Sequence[Generator]) -> list[float]:
    if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < MIN_SIDE_PX:
        raise UsageError(
            f"image has shape {tuple(image.shape)}; expected (B, 3, H, W) with sides of at least {MIN_SIDE_PX} px"
        )
    if amount.shape != image.shape[:1] or len(generators) != image.shape[0]:
        raise UsageError(
            f"{tuple(amount.shape)} amounts and {len(generators)} generators for {image.shape[0]} images; "
            "give one of each per image"
        )
    amounts: list[float] = amount.tolist()
    for value in amounts:
        if not math.isfinite(value) or value < 0.0:
            raise UsageError(f"amount {value}; expected a finite number >= 0 in the distortion's own unit")
    return amounts


def unit_normal(shape: Sequence[int], generator: Generator, like: Tensor) -> Tensor:
    """Standard normal noise drawn on the CPU (the same on every device), moved to where `like` is."""
    return torch.randn(tuple(shape), generator=generator).to(like.device)


def unit_uniform(shape: Sequence[int], generator: Generator, like: Tensor) -> Tensor:
    """Uniform noise in [0, 1) drawn on the CPU (the same on every device), moved to where `like` is."""
    return torch.rand(tuple(shape), generator=generator).to(like.device)


def pad_symmetric(image: Tensor, rows: int, columns: int) -> Tensor:
    """Mirror `(C, H, W)` about its edges, edge pixel repeated; the margin may be wider than the image itself."""
    return image[:, _mirrored(image.shape[1], rows, image)][:, :, _mirrored(image.shape[2], columns, image)]


def _mirrored(size: int, margin: int, like: Tensor) -> Tensor:
    index = torch.arange(-margin, size + margin, device=like.device) % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)


def convolve(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate each channel of `(C, H, W)` with an odd-sized `(h, w)` kernel, mirrored borders, same size out."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded, weights = pad_symmetric(image, rows, columns)[:, None], kernel.to(image)[None, None]
    if image.is_cuda:  # cuDNN would round to TF32, ten bits of mantissa, unless told not to
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return F.conv2d(padded, weights)[:, 0]
    return F.conv2d(padded, weights)[:, 0]


def gaussian_kernel(sigma_px: float, truncate: float = 4.0) -> Tensor:
    """One-dimensional normalised Gaussian, odd length, float32."""
    radius = max(1, math.ceil(truncate * sigma_px))
    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (position / sigma_px) ** 2)
    return (weights / weights.sum()).to(torch.float32)


def gaussian(image: Tensor, sigma_px: float, truncate: float = 4.0) -> Tensor:
    """Blur `(C, H, W)` with a Gaussian of standard deviation `sigma_px` > 0."""
    kernel = gaussian_kernel(sigma_px, truncate)
    return convolve(convolve(image, kernel[None, :]), kernel[:, None])


def box(image: Tensor, radius_px: int) -> Tensor:
    """Mean of `(C, H, W)` over a square of side `2 * radius_px + 1`."""
    side = 2 * radius_px + 1
    rows = F.avg_pool2d(pad_symmetric(image, radius_px, radius_px), (side, 1), stride=1)
    return F.avg_pool2d(rows, (1, side), stride=1)


def luma(image: Tensor) -> Tensor:
    """BT.601 luma `(1, H, W)` of `(3, H, W)`."""
    red, green, blue = LUMA
    return image[0:1] * red + image[1:2] * green + image[2:3] * blue


def chroma_offset(blue_difference: Tensor, red_difference: Tensor) -> Tensor:
    """RGB change `(3, H, W)` of adding these `(H, W)` amounts to Cb and Cr at constant luma (JFIF matrix)."""
    return torch.stack(
        [
            1.402 * red_difference,
            -0.344136 * blue_difference - 0.714136 * red_difference,
            1.772 * blue_difference,
        ]
    )


def power(image: Tensor, exponent: float) -> Tensor:
    """`image ** exponent` by way of float64.

    The float32 power of PyTorch differs in the last bit between its vector loop and the remainder, so its result would
    depend on the number of threads.
    """
    return (image.to(torch.float64) ** exponent).to(image.dtype)


def to_linear(image: Tensor) -> Tensor:
    """sRGB code values to linear light (IEC 61966-2-1)."""
    return torch.where(image <= 0.04045, image / 12.92, power(((image + 0.055) / 1.055).clamp_min(0.0), 2.4))


def from_linear(light: Tensor) -> Tensor:
    """Linear light, clamped to [0, 1], to sRGB code values (IEC 61966-2-1)."""
    light = light.clamp(0.0, 1.0)
    curve = 1.055 * power(light.clamp_min(0.0031308), 1.0 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, curve)


def pixel_grid(image: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column index of every pixel of `(C, H, W)`, each `(H, W)` float32."""
    rows = torch.arange(image.shape[1], dtype=torch.float32, device=image.device)
    columns = torch.arange(image.shape[2], dtype=torch.float32, device=image.device)
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    return row, column


def warp(image: Tensor, down_px: Tensor | float, right_px: Tensor | float) -> Tensor:
    """Pixel (y, x) of the result is `image` at (y + down_px, x + right_px), bilinear, edges repeated."""
    row, column = pixel_grid(image)
    y = (row + down_px) * (2.0 / (image.shape[1] - 1)) - 1.0
    x = (column + right_px) * (2.0 / (image.shape[2] - 1)) - 1.0
    grid = torch.stack([x, y], dim=-1)[None]
    return F.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=True)[0]
