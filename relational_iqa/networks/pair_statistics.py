"""Fixed local statistics of a pair of images: what tells one distortion from another before anything is learned.

All live on a grid of 1/4 resolution, over windows of 12 and 36 pixels. *Even* channels do not change when the images
change places, *odd* channels change sign to the bit (products with an exactly negated difference), and odd channels of
identical images are exactly 0. That is what the anti-symmetry of the networks rests on.
Which statistics, and why: a trial of map prediction found that features decide (`experiments/NOTES.md`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 4
# sRGB code values as energies: an eighth of one code value squared separates "nothing" from "something".
_NOTHING = (0.35 / 255) ** 2
_LSB = 1.0 / 255
_CLAMP = 6.0

# Luma (Rec. 601) and two opponent channels, blue-yellow and red-green, orthogonal enough and cheap.
_OPPONENT = ((0.299, 0.587, 0.114), (-0.25, -0.25, 0.5), (0.5, -0.5, 0.0))


def opponent(image: Tensor) -> Tensor:
    """(B, 3, H, W) sRGB -> luma, blue-yellow, red-green, same shape."""
    return torch.einsum("oc,bchw->bohw", image.new_tensor(_OPPONENT), image)


def _shift(x: Tensor, dy: int, dx: int) -> Tensor:
    """x(i + dy, j + dx), the border repeated (dy, dx >= 0 except dx may be negative). Not zeros: against them the last
    column and row would show a step, which looks like the edge of a block."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (max(0, -dx), max(0, dx), 0, dy), mode="replicate")
    left = max(0, dx)
    return padded[..., dy : dy + height, left : left + width]


def _binomial(x: Tensor) -> Tensor:
    """3x3 binomial low-pass, replicated border, by slices (faster than pooling with stride 1 on a CPU)."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]
    return (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 16


def _box(x: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1)^2 cells, replicated border, by slices."""
    size = 2 * radius + 1
    x = F.pad(x, (radius,) * 4, mode="replicate")
    height, width = x.shape[-2] - 2 * radius, x.shape[-1] - 2 * radius
    rows = x[..., 0:height, :].clone()
    for offset in range(1, size):
        rows += x[..., offset : offset + height, :]
    out = rows[..., 0:width].clone()
    for offset in range(1, size):
        out += rows[..., offset : offset + width]
    return out / (size * size)


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences (x, y), replicated border."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (
        (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2,
        (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2,
    )


def _comb(step: Tensor, axis: int) -> Tensor:
    """How much the absolute differences `step` (B, C, H, W) between neighbours along `axis` (-1: columns) peak at one
    phase of an 8-pixel grid: (largest phase - mean of phases) and that over the mean, (B, 2C, H/4, W/4). 8x8 transform
    codecs leave their block grid there, whatever its offset."""
    batch, channels, height, width = step.shape
    cells = step.reshape(batch, channels, height // 8, 8, width // 8, 8)
    phases = cells.mean(3) if axis == -1 else cells.mean(5).transpose(-1, -2)  # (B, C, h8, w8, phase) either way
    phases = phases.permute(0, 1, 4, 2, 3).reshape(batch, channels * 8, height // 8, width // 8)
    phases = _box(phases, 2).reshape(batch, channels, 8, height // 8, width // 8)
    mean = phases.mean(2)
    peak = phases.amax(2) - mean
    out = torch.cat([torch.log1p(peak * 255), peak / (mean + 0.5 * _LSB)], 1)
    return out.repeat_interleave(2, -2).repeat_interleave(2, -1)


def _log_energy(x: Tensor) -> Tensor:
    return torch.log(x.clamp_min(0) + _NOTHING) + 6.0


class PairStatistics(nn.Module):
    """(a, b), each (B, 3, H, W) in [0, 1], H and W multiples of 16 -> even (B, `even_channels`, H/4, W/4) and odd
    (B, `odd_channels`, H/4, W/4) statistics, each scaled to unit spread by buffers that `calibrate` sets."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            even, odd = self._raw(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
        self.even_channels, self.odd_channels = even.shape[1], odd.shape[1]
        self.even_mean: Tensor
        self.even_scale: Tensor
        self.odd_scale: Tensor
        self.register_buffer("even_mean", torch.zeros(self.even_channels, 1, 1))
        self.register_buffer("even_scale", torch.ones(self.even_channels, 1, 1))
        self.register_buffer("odd_scale", torch.ones(self.odd_channels, 1, 1))

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        even, odd = self._raw(a, b)
        even = ((even - self.even_mean) * self.even_scale).clamp(-_CLAMP, _CLAMP)
        return even, (odd * self.odd_scale).clamp(-_CLAMP, _CLAMP)

    @torch.no_grad()
    def calibrate(self, a: Tensor, b: Tensor) -> None:
        """Sets the scales from a batch of pairs: even channels to mean 0 and spread 1, odd ones to rms 1."""
        even, odd = self._raw(a, b)
        self.even_mean.copy_(even.mean((0, 2, 3))[:, None, None])
        self.even_scale.copy_(1 / even.std((0, 2, 3)).clamp_min(1e-4)[:, None, None])
        self.odd_scale.copy_(1 / odd.square().mean((0, 2, 3)).sqrt().clamp_min(1e-4)[:, None, None])

    def _raw(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        opp_a, opp_b = opponent(a), opponent(b)
        single_a, comb_a = self._single(a, opp_a)
        single_b, comb_b = self._single(b, opp_b)
        moments = F.avg_pool2d(torch.cat(self._products(a, b, opp_a, opp_b), 1), STRIDE)
        peak = F.max_pool2d((opp_b - opp_a).abs()[:, :1], STRIDE)
        difference_luma = opp_b[:, :1] - opp_a[:, :1]
        combs = [
            _comb((difference_luma - _shift(difference_luma, 0, 1)).abs(), -1),
            _comb((difference_luma - _shift(difference_luma, 1, 0)).abs(), -2),
        ]
        even, odd = [*combs, comb_a + comb_b, (comb_b - comb_a).abs()], [comb_b - comb_a]
        for radius in (1, 4):
            pair_even, pair_odd = self._pair_features(_box(moments, radius), _box(peak, radius))
            one, two = self._single_features(_box(single_a, radius)), self._single_features(_box(single_b, radius))
            even += [pair_even, one + two, (two - one).abs()]
            odd += [pair_odd, two - one]
        return torch.cat(even, 1), torch.cat(odd, 1)

    @staticmethod
    def _products(a: Tensor, b: Tensor, opp_a: Tensor, opp_b: Tensor) -> list[Tensor]:
        """Per-pixel products whose local means are the moments; the order is that of `_pair_features`."""
        d = opp_b - opp_a
        mean = (opp_a + opp_b) / 2
        d_y, d_u, d_v = d[:, :1], d[:, 1:2], d[:, 2:]
        y, chroma, d_chroma = mean[:, :1], mean[:, 1:], d[:, 1:]
        low = _binomial(torch.cat([d, y], 1))
        hp = d - low[:, :3]
        hp_y, hp_content = hp[:, :1], y - low[:, 3:]
        band = low[:, 3:] - _binomial(_binomial(low[:, 3:]))
        gx, gy = _gradients(mean)
        unchanged = ((b - a).abs().amax(1, keepdim=True) < 0.5 * _LSB).float()

        def total(x: Tensor) -> Tensor:
            return x.sum(1, keepdim=True)

        return [
            d,  # 0:3
            d.abs(),  # 3:6
            d * d,  # 6:9
            d_y * d_u, d_y * d_v, d_u * d_v,  # 9:12
            hp * hp,  # 12:15
            hp_y.abs(), hp_y.pow(4),  # 15:17
            hp_y * _shift(hp_y, 0, 1), hp_y * _shift(hp_y, 1, 0), hp_y * _shift(hp_y, 1, 1),  # 17:20
            total(hp[:, 1:] * _shift(hp[:, 1:], 0, 1)),  # 20
            d_y * _shift(d_y, 0, 1), d_y * _shift(d_y, 1, 0), d_y * _shift(d_y, 0, 2), d_y * _shift(d_y, 2, 0),  # 21:25
            d_y * _shift(d_y, 0, 4), d_y * _shift(d_y, 4, 0),  # 25:27
            d_y * _shift(d_y, 1, 1), d_y * _shift(d_y, 1, -1),  # 27:29
            total(d_chroma * _shift(d_chroma, 0, 1)), total(d_chroma * _shift(d_chroma, 2, 0)),  # 29:31
            unchanged,  # 31
            y, y * y, y * d_y, d_y.abs() * y,  # 32:36
            hp_content * hp_content, hp_content * d_y, hp_content * hp_y,  # 36:39
            band * band, band * d_y,  # 39:41
            total(chroma * chroma), total(chroma * d_chroma), chroma[:, :1] * d_v - chroma[:, 1:] * d_u,  # 41:44
            chroma,  # 44:46
            gx[:, :1] ** 2, gy[:, :1] ** 2, gx[:, :1] * gy[:, :1], gx[:, :1] * d_y, gy[:, :1] * d_y,  # 46:51
            total(gx[:, 1:] ** 2), total(gy[:, 1:] ** 2),  # 51:53
            total(gx[:, 1:] * d_chroma), total(gy[:, 1:] * d_chroma),  # 53:55
            hp_content.abs() * hp_y.abs(),  # 55
        ]  # fmt: skip

    @staticmethod
    def _pair_features(m: Tensor, peak: Tensor) -> tuple[Tensor, Tensor]:
        """Moments (B, 56, h, w) -> even and odd features that do not depend on the strength where a ratio can do."""
        c = [m[:, i : i + 1] for i in range(m.shape[1])]
        e_y, e_u, e_v = c[6], c[7], c[8]
        e_c = e_u + e_v
        energy_y, energy_c, energy_hp = e_y + _NOTHING, e_c + _NOTHING, c[12] + _NOTHING
        hp_c = c[13] + c[14]
        var_y = (c[33] - c[32] ** 2).clamp_min(0) + 1e-5
        cov_contrast = c[34] - c[32] * c[0]
        chroma_energy = c[41] + 1e-4
        hp_content, band_content = c[36] + 1e-6, c[39] + 1e-6
        # Share of the difference that a small displacement of the content explains (least squares, optical flow).
        det = (c[46] * c[47] - c[48] ** 2).clamp_min(0) + 1e-9
        flow = (c[47] * c[49] ** 2 - 2 * c[48] * c[49] * c[50] + c[46] * c[50] ** 2) / det / energy_y
        flow_c = (c[53] ** 2 / (c[51] + 1e-6) + c[54] ** 2 / (c[52] + 1e-6)) / energy_c
        spread_abs = (e_y - c[3] ** 2).clamp_min(0) + _NOTHING
        multiplicative = (c[35] - c[3] * c[32]) / torch.sqrt(var_y * spread_abs)
        sharpen, sharpen_band = c[37] / hp_content, c[40] / band_content
        contrast, saturation, hue = cov_contrast / var_y, c[42] / chroma_energy, c[43] / chroma_energy
        even = [
            _log_energy(e_y), _log_energy(e_u), _log_energy(e_v), _log_energy(c[12]), _log_energy(hp_c),
            torch.log1p(c[3] * 255), torch.log1p((c[4] + c[5]) * 255), torch.log1p(peak * 255),
            c[12] / energy_y, hp_c / energy_c, e_c / (e_y + energy_c),
            c[0] ** 2 / energy_y, (c[1] ** 2 + c[2] ** 2) / energy_c,
            c[9].abs() / torch.sqrt(energy_y * (e_u + _NOTHING)), c[10].abs() / torch.sqrt(energy_y * (e_v + _NOTHING)),
            c[11] / torch.sqrt((e_u + _NOTHING) * (e_v + _NOTHING)),
            torch.log(c[16] / (energy_hp * energy_hp) + 1), c[15] ** 2 / energy_hp,
            c[17] / energy_hp, c[18] / energy_hp, c[19] / energy_hp, c[20] / (hp_c + _NOTHING),
            c[21] / energy_y, c[22] / energy_y, c[23] / energy_y, c[24] / energy_y, c[25] / energy_y, c[26] / energy_y,
            c[27] / energy_y, c[28] / energy_y, c[29] / energy_c, c[30] / energy_c,
            c[31], peak / (c[3] + 0.5 * _LSB), multiplicative, c[55] / torch.sqrt(hp_content * energy_hp),
            flow.clamp(0, 1), flow_c.clamp(0, 2),
            sharpen ** 2 * hp_content / energy_y, sharpen_band ** 2 * band_content / energy_y,
            contrast ** 2 * var_y / energy_y, (saturation ** 2 + hue ** 2) * chroma_energy / energy_c,
            saturation ** 2 * chroma_energy / energy_c, hue ** 2 * chroma_energy / energy_c,
            c[38].abs() / torch.sqrt(hp_content * energy_hp),
            sharpen.abs(), contrast.abs(), saturation.abs(), hue.abs(),
            c[32], _log_energy(var_y), _log_energy(c[36]), _log_energy(c[41]),
        ]  # fmt: skip
        root_y, root_c = torch.sqrt(energy_y), torch.sqrt(energy_c)
        odd = [
            c[0] * 8, c[1] * 8, c[2] * 8, c[0] / root_y, c[1] / root_c, c[2] / root_c,
            sharpen, sharpen_band,
            c[37] / torch.sqrt(hp_content * energy_y), c[40] / torch.sqrt(band_content * energy_y),
            c[38] / hp_content, contrast, cov_contrast / torch.sqrt(var_y * energy_y),
            saturation, hue, c[42] / torch.sqrt(chroma_energy * energy_c), c[43] / torch.sqrt(chroma_energy * energy_c),
        ]  # fmt: skip
        return torch.cat(even, 1).clamp(-20, 20), torch.cat(odd, 1).clamp(-20, 20)

    @staticmethod
    def _single(image: Tensor, opp: Tensor) -> tuple[Tensor, Tensor]:
        """Moments of one image on the 1/4 grid and its block-grid comb."""
        y = opp[:, :1]
        hp = opp - _binomial(opp)
        hp_y = hp[:, :1]
        gx, gy = _gradients(y)
        half = F.avg_pool2d(y, 2)
        quarter = F.avg_pool2d(half, 2)
        hx, hy = _gradients(half)
        qx, qy = _gradients(quarter)
        right, down = (y - _shift(y, 0, 1)).abs(), (y - _shift(y, 1, 0)).abs()
        smallest = image.amin(1, keepdim=True)
        full = torch.cat(
            [
                y, y * y, opp[:, 1:], (opp[:, 1:] ** 2).sum(1, keepdim=True),  # 0:5
                hp_y * hp_y, (hp[:, 1:] ** 2).sum(1, keepdim=True), hp_y.pow(4), hp_y.abs(),  # 5:9
                gx * gx, gy * gy,  # 9:11
                ((right < 0.25 * _LSB) & (down < 0.25 * _LSB)).float(),  # 11
                hp_y * _shift(hp_y, 0, 1), hp_y * _shift(hp_y, 1, 0), hp_y * _shift(hp_y, 1, 1),  # 12:15
                (image > 0.985).float().mean(1, keepdim=True), (image < 0.015).float().mean(1, keepdim=True),  # 15:17
                smallest, (image.amax(1, keepdim=True) - smallest),  # 17:19
                (right < 0.25 * _LSB).float() + (down < 0.25 * _LSB).float(),  # 19
            ],
            1,
        )  # fmt: skip
        moments = torch.cat([F.avg_pool2d(full, STRIDE), F.avg_pool2d(hx * hx + hy * hy, 2), qx * qx + qy * qy], 1)
        comb = torch.cat([_comb(right, -1), _comb(down, -2)], 1)
        return moments, comb

    @staticmethod
    def _single_features(m: Tensor) -> Tensor:
        c = [m[:, i : i + 1] for i in range(m.shape[1])]
        energy_hp = c[5] + _NOTHING
        gradient = c[9] + c[10]
        return torch.cat(
            [
                c[0] * 2, _log_energy((c[1] - c[0] ** 2).clamp_min(0)), c[2] * 4, c[3] * 4, _log_energy(c[4]),
                _log_energy(c[5]), _log_energy(c[6]),
                torch.log(c[7] / (energy_hp * energy_hp) + 1), c[8] ** 2 / energy_hp,
                _log_energy(c[9]), _log_energy(c[10]), c[11], c[12] / energy_hp, c[13] / energy_hp, c[14] / energy_hp,
                c[15], c[16], c[17] * 2, c[18] * 2, c[19], _log_energy(c[20]), _log_energy(c[21]),
                torch.log((c[5] + _NOTHING) / (gradient + _NOTHING)),
                torch.log((gradient + _NOTHING) / (c[20] + _NOTHING)),
                torch.log((c[20] + _NOTHING) / (c[21] + _NOTHING)),
            ],
            1,
        )  # fmt: skip
