"""Fixed local statistics of a pair of images, which distinguish distortions before anything is learned.

They are computed on the 1/4, 1/8 and 1/16 grids. *Even* channels do not change when the images are swapped. *Odd*
channels change sign to the bit (they are differences, and products with an exactly negated difference), and are exactly
0 for identical images. The antisymmetry of the networks rests on this.

A trial of map prediction chose the statistics: the features decide how good the maps are (`experiments/NOTES.md`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.local_analysis import (
    LSB,
    STRIDE,
    Analysis,
    LocalAnalysis,
    box5,
    halves,
    peak,
    pool,
    steps,
    window,
)

# sRGB code values as energies: an eighth of one code value squared separates "nothing" from "something".
NOTHING = (0.35 / 255) ** 2
_UNCHANGED = 0.4 * LSB


@dataclass(frozen=True)
class GridStatistics:
    """Statistics of a pair (a, b) on small grids; what a use of them does not need may have no channels.

    Args:
        even4: even channels on the grid of 1/4.
        odd4: odd channels on the same grid.
        even8: even channels on the grid of 1/8.
        odd8: odd channels on the same grid.
        even16: even channels on the grid of 1/16.
        odd16: odd channels on the same grid.
        energy_a: energies of the bands of a, fine then coarse, on the grid of 1/8.
        energy_b: the same of b.
        energy_d: the same of the difference.
        mean_d: mean differences of the three planes on the grid of 1/8.
        single_a: cues of a alone on the grid of 1/8.
        single_b: the same of b.
    """

    even4: Float[Tensor, "b even4 h w"]
    odd4: Float[Tensor, "b odd4 h w"]
    even8: Float[Tensor, "b even8 h//2 w//2"]
    odd8: Float[Tensor, "b odd8 h//2 w//2"]
    even16: Float[Tensor, "b even16 h//4 w//4"]
    odd16: Float[Tensor, "b odd16 h//4 w//4"]
    energy_a: Float[Tensor, "b bands h//2 w//2"]
    energy_b: Float[Tensor, "b bands h//2 w//2"]
    energy_d: Float[Tensor, "b bands h//2 w//2"]
    mean_d: Float[Tensor, "b planes h//2 w//2"]
    single_a: Float[Tensor, "b single h//2 w//2"]
    single_b: Float[Tensor, "b single h//2 w//2"]


@dataclass(frozen=True)
class Statistics(GridStatistics):
    """Statistics of a pair (a, b) on small grids, with what a learned encoder needs at full size.

    Args:
        difference: b - a in the opponent planes.
    """

    difference: Float[Tensor, "b 3 4*h 4*w"]

    def on_grids(self) -> GridStatistics:
        """The statistics on small grids alone; most of the memory belongs to the rest."""
        return GridStatistics(**{name: getattr(self, name) for name in GridStatistics.__dataclass_fields__})


@dataclass(frozen=True)
class ImageStatistics:
    """What images give to all pairs that they are part of.

    Args:
        analysis: of the images.
        fine8: energies of the fine bands on the grid of 1/8.
        coarse8: those of the coarse bands.
        fine16: energies of the fine bands on the grid of 1/16.
        coarse16: those of the coarse bands.
        single8: features of the cues of an image alone on the grid of 1/8.
        single16: the same on the grid of 1/16.
        combs: how plain the grid of a transform codec is, on the grid of 1/8.
    """

    analysis: LocalAnalysis
    fine8: Float[Tensor, "b bands h w"]
    coarse8: Float[Tensor, "b bands h w"]
    fine16: Float[Tensor, "b bands h//2 w//2"]
    coarse16: Float[Tensor, "b bands h//2 w//2"]
    single8: Float[Tensor, "b 10 h w"]
    single16: Float[Tensor, "b 10 h//2 w//2"]
    combs: Float[Tensor, "b 4 h w"]

    def halves(self) -> tuple[ImageStatistics, ImageStatistics]:
        """Those of the first and of the second half of the batch."""
        first, second = self.analysis.halves()
        pairs = [halves(value) for name, value in vars(self).items() if name != "analysis"]
        return ImageStatistics(first, *(x for x, _ in pairs)), ImageStatistics(second, *(y for _, y in pairs))


class PairStatistics(nn.Module):
    """(a, b), each (B, 3, H, W) in [0, 1], H and W multiples of 16 -> Statistics. It has no parameters and needs no
    calibration."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis = Analysis()
        zeros = torch.zeros(1, 3, 32, 32)
        sizes = self(zeros, zeros)
        names = ("even4", "odd4", "even8", "odd8", "even16", "odd16", "energy_d", "single_a")
        self.channels: dict[str, int] = {name: getattr(sizes, name).shape[1] for name in names}

    def forward(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Statistics:
        return self.of_pair(*self.of_images(torch.cat([a, b])).halves())

    def of_images(self, images: Float[Tensor, "b 3 h w"]) -> ImageStatistics:
        """What each image gives to all pairs that it is part of."""
        found = self.analysis(images)
        fine, coarse = window(found.fine.square()), found.coarse.square()
        cues = window(found.cues)
        return ImageStatistics(
            analysis=found,
            fine8=fine,
            coarse8=coarse,
            fine16=window(fine),
            coarse16=window(coarse),
            single8=single_features(cues),
            single16=single_features(window(cues)),
            combs=_combs(found.right, found.down),
        )

    def of_pair(self, first: ImageStatistics, second: ImageStatistics) -> Statistics:
        """Those of pairs of images."""
        one, two = first.analysis, second.analysis
        difference = two.planes - one.planes
        cells = _difference_cells(difference)
        d_mean, mean = two.means - one.means, (one.means + two.means) / 2
        pair = window(torch.cat([*cells, _flow(one, two), *_products(cells[0], d_mean, mean)], 1))
        fine8 = _Energies(first.fine8, second.fine8, window((two.fine - one.fine).square()))
        coarse8 = _Energies(first.coarse8, second.coarse8, (two.coarse - one.coarse).square())
        fine16 = _Energies(first.fine16, second.fine16, window(fine8.d))
        coarse16 = _Energies(first.coarse16, second.coarse16, window(coarse8.d))
        even8, odd8 = _level(fine8, coarse8, pair, first.single8, second.single8)
        even16, odd16 = _level(fine16, coarse16, window(pair), first.single16, second.single16)
        combs = [first.combs + second.combs, (second.combs - first.combs).abs(), _combs(*steps(difference[:, :1]))]
        size_mean, unchanged, top = cells
        even4 = [torch.log1p(size_mean * 255), unchanged, torch.log1p(top * 255), torch.log1p(d_mean.abs() * 255), mean]
        odd4 = [d_mean * 8, d_mean / torch.sqrt(1e-4 + size_mean**2)]
        return Statistics(
            even4=_joined(even4),
            odd4=_joined(odd4),
            even8=_joined([*even8, *combs]),
            odd8=_joined([*odd8, second.combs - first.combs]),
            even16=_joined(even16),
            odd16=_joined(odd16),
            energy_a=torch.cat([fine8.a, coarse8.a], 1),
            energy_b=torch.cat([fine8.b, coarse8.b], 1),
            energy_d=torch.cat([fine8.d, coarse8.d], 1),
            mean_d=window(d_mean),
            single_a=torch.cat([log_energy(fine8.a), log_energy(coarse8.a), first.single8], 1),
            single_b=torch.cat([log_energy(fine8.b), log_energy(coarse8.b), second.single8], 1),
            difference=difference,
        )


@dataclass(frozen=True)
class _Energies:
    """Energies of the bands of a, of b and of b - a."""

    a: Tensor
    b: Tensor
    d: Tensor


def _joined(channels: list[Tensor]) -> Tensor:
    """Concatenated, channels last in memory: 1x1 convolutions over many small images are then one product."""
    return torch.cat(channels, 1).contiguous(memory_format=torch.channels_last)


def log_energy(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Logarithm of energies of code values in [0, 1], with a floor where nothing can be seen."""
    return torch.log(x.clamp_min(0) + NOTHING) + 6.0


def _difference_cells(difference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean size of the difference by plane, share of pixels that did not change, largest difference in luma."""
    size = difference.abs()
    unchanged = (size.amax(1, keepdim=True) < _UNCHANGED).to(difference.dtype)
    return pool(size, STRIDE), pool(unchanged, STRIDE), peak(size[:, :1], STRIDE)


def _flow(one: LocalAnalysis, two: LocalAnalysis) -> Tensor:
    """Moments that tell how much of the difference a small displacement explains (least squares, optical flow), taken
    at half size: xx, yy, xy of the gradient, its products with the difference, the square of the difference."""
    d, mean = two.half - one.half, (one.half + two.half) / 2
    padded = F.pad(mean, (1, 1, 1, 1), mode="replicate")
    gx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    gy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.cat([pool(x, 2) for x in (gx * gx, gy * gy, gx * gy, gx * d, gy * d, d * d)], 1)


def _products(size: Tensor, d: Tensor, mean: Tensor) -> list[Tensor]:
    """Per-cell products whose local means are the moments; the order is that of `_moments`."""
    y, chroma, d_chroma = mean[:, :1], mean[:, 1:], d[:, 1:]
    return [
        d, mean, y * y, y * d[:, :1],
        (chroma * chroma).sum(1, keepdim=True), (chroma * d_chroma).sum(1, keepdim=True),
        chroma[:, :1] * d_chroma[:, 1:] - chroma[:, 1:] * d_chroma[:, :1],
        size[:, :1] * y, size[:, :1] ** 2, d * d,
    ]  # fmt: skip


def _level(
    fine: _Energies, coarse: _Energies, pair: Tensor, single_a: Tensor, single_b: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Even and odd channels of one grid."""
    even, odd = _moments(pair)
    for energies in (fine, coarse):
        total = energies.a + energies.b + NOTHING
        gain = (energies.b - energies.a) / total
        # What a change of gain in this band explains of the difference: all for blur and sharpening, nothing for noise.
        explained = (gain.square() / (energies.d / total + 1e-3)).clamp_max(4)
        even += [log_energy(energies.d), torch.log(total) + 6.0, explained]
        odd.append(gain)
    return [*even, single_a + single_b, (single_b - single_a).abs()], [*odd, single_b - single_a]


def _moments(pair: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Even and odd features of local means of cells, flow and products.

    Ratios are preferred, so that a feature is invariant to the strength of the distortion.
    """
    c = pair.split(1, 1)
    size_y, size_u, size_v, unchanged, top = c[:5]
    gxx, gyy, gxy, gxd, gyd, hdd = c[5:11]
    d, mean = c[11:14], c[14:17]
    yy, yd, cc, cd, turn, sy, ss = c[17:24]
    dd = c[24:27]
    var_y = (yy - mean[0] ** 2).clamp_min(0) + 1e-5
    cov = yd - mean[0] * d[0]
    chroma, e_y, e_c = cc + 1e-4, dd[0] + NOTHING, dd[1] + dd[2] + NOTHING
    det = (gxx * gyy - gxy**2).clamp_min(0) + 1e-9
    flow = (gyy * gxd**2 - 2 * gxy * gxd * gyd + gxx * gyd**2) / det / (hdd + NOTHING)
    spread = (ss - size_y**2).clamp_min(0) + NOTHING
    multiplicative = (sy - size_y * mean[0]) / torch.sqrt(var_y * spread)
    contrast, saturation, hue = (x.clamp(-4, 4) for x in (cov / var_y, cd / chroma, turn / chroma))
    even = [
        torch.log1p(size_y * 255), torch.log1p(size_u * 255), torch.log1p(size_v * 255), unchanged,
        torch.log1p(top * 255), (top / (size_y + 0.5 * LSB)).clamp_max(20), flow.clamp(0, 1),
        multiplicative.clamp(-2, 2), log_energy(e_y), log_energy(e_c), d[0] ** 2 / e_y, (d[1] ** 2 + d[2] ** 2) / e_c,
        mean[0], log_energy(var_y), log_energy(cc), (contrast**2 * var_y / e_y).clamp_max(4),
        (saturation**2 * chroma / e_c).clamp_max(4), (hue**2 * chroma / e_c).clamp_max(4),
        contrast.abs(), saturation.abs(), hue.abs(),
    ]  # fmt: skip
    root_y, root_c = torch.sqrt(e_y), torch.sqrt(e_c)
    odd = [
        d[0] * 8, d[1] * 8, d[2] * 8, d[0] / root_y, d[1] / root_c, d[2] / root_c, contrast, saturation, hue,
        (cov / torch.sqrt(var_y * e_y)).clamp(-4, 4), (cd / torch.sqrt(chroma * e_c)).clamp(-4, 4),
        (turn / torch.sqrt(chroma * e_c)).clamp(-4, 4),
    ]  # fmt: skip
    return even, odd


def single_features(cues: Float[Tensor, "b 8 h w"]) -> Float[Tensor, "b 10 h w"]:
    """Features of one image alone, from local means of its cues."""
    flat, right, down, smallest, largest, white, black, top = cues.split(1, 1)
    step = right + down
    return torch.cat(
        [
            flat, torch.log1p(step * 255), torch.log((right + LSB) / (down + LSB)), smallest * 2,
            (largest - smallest) * 2, largest * 2, white, black, torch.log1p(top * 255),
            (top / (step + 0.5 * LSB)).clamp_max(10),
        ],
        1,
    )  # fmt: skip


def _combs(right: Tensor, down: Tensor) -> Tensor:
    """The grid of 8x8 transform codecs, whatever its offset: how much steps of luma between neighbours peak at one
    phase of an 8-pixel grid, to the right and down, in absolute terms and over their mean, on the 1/8 grid."""
    return torch.cat([comb(right, -1), comb(down, -2)], 1)


def comb(step: Float[Tensor, "b c h w"], axis: int) -> Float[Tensor, "b 2*c h//8 w//8"]:
    """Of steps between neighbours along `axis` (-1: columns) and the eight phases of their grid: the largest phase less
    the mean of the phases, and that over the mean."""
    batch, channels, height, width = step.shape
    if axis == -1:
        phases = pool_rows(step, 8).view(batch, channels, height // 8, width // 8, 8).permute(0, 1, 4, 2, 3)
    else:
        columns = pool_rows(step.transpose(-1, -2), 8).transpose(-1, -2)
        phases = columns.reshape(batch, channels, height // 8, 8, width // 8).permute(0, 1, 3, 2, 4)
    phases = box5(phases.flatten(1, 2)).view(batch, channels, 8, height // 8, width // 8)
    mean = phases.mean(2)
    top = phases.amax(2) - mean
    return torch.cat([torch.log1p(top * 255), top / (mean + 0.5 * LSB)], 1)


def pool_rows(x: Float[Tensor, "b c h w"], size: int) -> Float[Tensor, "b c h//{size} w"]:
    """Mean of every `size` rows, by slices."""
    if torch.jit.is_tracing():
        return F.avg_pool2d(x, (size, 1))
    out = x[..., 0::size, :] + x[..., 1::size, :]
    for i in range(2, size):
        out = out + x[..., i::size, :]
    return out * (1.0 / size)
