"""The conventional metrics a second time, straight from their papers: slow, literal, NumPy in float64, one image.

Every number is written out again, so that a constant, a weight, a scale or a sign that changes in the product shows. An
image is an array (H, W, 3), sRGB in [0, 1]; `x` is the test image, `y` the reference.
"""

import numpy as np
from scipy.ndimage import correlate, correlate1d

Array = np.ndarray


def viewing_factor(x: Array) -> int:
    """Block size that brings the shorter side near 256 px."""
    return max(1, round(min(x.shape[:2]) / 256))


def blocks(x: Array, factor: int) -> Array:
    """Means of factor x factor blocks of (H, W, ...); an incomplete last block is dropped."""
    rows, columns = x.shape[0] // factor, x.shape[1] // factor
    out = np.zeros((rows, columns, *x.shape[2:]))
    for i in range(factor):
        for j in range(factor):
            out += x[i : rows * factor : factor, j : columns * factor : factor]
    return out / factor**2


def framed(x: Array, before: int, after: int, mode: str) -> Array:
    """Rows and columns added around (H, W, ...): zeros ("constant") or the border pixels ("edge")."""
    around = [(before, after), (before, after)] + [(0, 0)] * (x.ndim - 2)
    return np.pad(x, around, mode="edge" if mode == "edge" else "constant")


def halved(x: Array) -> Array:
    """2 x 2 means; if a side is odd, a row and a column of zeros are added at the end first."""
    odd = 1 if x.shape[0] % 2 or x.shape[1] % 2 else 0
    return blocks(framed(x, 0, odd, "constant"), 2)


def sides(plane: Array, smooth: tuple[float, float, float]) -> tuple[Array, Array]:
    """Horizontal and vertical derivative by a 3 x 3 kernel, zeros outside the image."""
    kernel = np.outer(smooth, (-1.0, 0.0, 1.0))
    return correlate(plane, kernel, mode="constant"), correlate(plane, kernel.T, mode="constant")


def edges(plane: Array, smooth: tuple[float, float, float]) -> Array:
    horizontal, vertical = sides(plane, smooth)
    return np.sqrt(horizontal**2 + vertical**2)


PREWITT = (1 / 3, 1 / 3, 1 / 3)
SCHARR = (3 / 16, 10 / 16, 3 / 16)


def yiq(x: Array) -> tuple[Array, Array, Array]:
    r, g, b = x[..., 0], x[..., 1], x[..., 2]
    return (
        0.299 * r + 0.587 * g + 0.114 * b,
        0.5959 * r - 0.2746 * g - 0.3213 * b,
        0.2115 * r - 0.5227 * g + 0.3112 * b,
    )


def lmn(x: Array) -> tuple[Array, Array, Array]:
    r, g, b = x[..., 0], x[..., 1], x[..., 2]
    return 0.06 * r + 0.63 * g + 0.27 * b, 0.30 * r + 0.04 * g - 0.35 * b, 0.34 * r - 0.60 * g + 0.17 * b


def alike(a: Array, b: Array, constant: float) -> Array:
    """(2 a b + c) / (a^2 + b^2 + c)."""
    return (2 * a * b + constant) / (a**2 + b**2 + constant)


def psnr(x: Array, y: Array) -> float:
    return float(10 * np.log10(1.0 / (np.mean((x - y) ** 2) + 1e-8)))


def ssim_windows(p: Array, q: Array) -> tuple[Array, Array]:
    """Wang et al. 2004, equations 6 and 13 with alpha = beta = gamma = 1: contrast-structure and luminance of every
    complete 11 x 11 window of one channel."""
    offset = np.arange(-5, 6)
    window = np.exp(-(offset**2) / (2 * 1.5**2))  # the round window is this one down times this one across
    window /= window.sum()

    def mean(values: Array) -> Array:
        return correlate1d(correlate1d(values, window, axis=0), window, axis=1)[5:-5, 5:-5]

    mean_p, mean_q = mean(p), mean(q)
    variance_p, variance_q = mean(p * p) - mean_p**2, mean(q * q) - mean_q**2
    covariance = mean(p * q) - mean_p * mean_q
    structure = (2 * covariance + 0.03**2) / (variance_p + variance_q + 0.03**2)
    luminance = (2 * mean_p * mean_q + 0.01**2) / (mean_p**2 + mean_q**2 + 0.01**2)
    return structure, luminance


def ssim(x: Array, y: Array) -> float:
    factor = viewing_factor(x)
    x, y = blocks(x, factor), blocks(y, factor)
    channels = []
    for c in range(3):
        structure, luminance = ssim_windows(x[..., c], y[..., c])
        channels.append(np.mean(structure * luminance))
    return float(np.mean(channels))


def ms_ssim(x: Array, y: Array) -> float:
    """Wang, Simoncelli, Bovik 2003, equation 7. Scales whose 11-px window does not fit are left out, and the exponents
    of the others are scaled to the same sum."""
    exponents = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    side, scales = min(x.shape[:2]), 0
    while scales < 5 and side >= 11:
        scales, side = scales + 1, (side + 1) // 2
    exponents = [e * 1.0001 / sum(exponents[:scales]) for e in exponents[:scales]]
    product = np.ones(3)
    for scale, exponent in enumerate(exponents):
        if scale:
            x, y = halved(x), halved(y)
        for c in range(3):
            structure, luminance = ssim_windows(x[..., c], y[..., c])
            value = np.mean(structure * luminance if scale == scales - 1 else structure)
            product[c] *= max(value, 1e-6) ** exponent
    return float(np.mean(product))


def gmsd(x: Array, y: Array) -> float:
    """Xue et al. 2014, equations 3 to 6, on luma in [0, 255] at half size, c = 170."""
    x, y = (edges(halved(yiq(image)[0] * 255), PREWITT) for image in (x, y))
    return float(np.std(alike(x, y, 170)))


def ms_gmsd(x: Array, y: Array) -> float:
    """Zhang, Sun, Xie 2017: masked gradient similarity at four scales, then chroma at the coarsest."""
    planes = [[plane * 255 for plane in yiq(image)] for image in (x, y)]
    total = 0.0
    for scale, weight in enumerate((0.096, 0.596, 0.289, 0.019)):
        if scale:
            planes = [[halved(plane) for plane in image] for image in planes]
        a, b = edges(planes[0][0], PREWITT), edges(planes[1][0], PREWITT)
        total += weight * np.var((1.5 * a * b + 170) / (a**2 + b**2 - 0.5 * a * b + 170))
    structure = np.sqrt(total)
    chroma = np.sqrt(sum(np.mean((planes[0][c] - planes[1][c]) ** 2) for c in (1, 2)))
    share = 2 / (1 + 0.32 * np.exp(-15 * structure)) - 1
    return float(share * structure + (1 - share) * 0.01 * chroma)


def mdsi(x: Array, y: Array) -> float:
    """Nafchi et al. 2016, equations 3 to 10 with the summation form, alpha = .6, and a complex fourth root."""
    factor = viewing_factor(x)
    x, y = (blocks(framed(image, (factor - 1) // 2, factor // 2, "constant"), factor) * 255 for image in (x, y))
    luma_x, luma_y = (0.2989 * i[..., 0] + 0.5870 * i[..., 1] + 0.1140 * i[..., 2] for i in (x, y))
    r, d, f = edges(luma_y, PREWITT), edges(luma_x, PREWITT), edges((luma_x + luma_y) / 2, PREWITT)
    gradient = alike(r, d, 140) + alike(d, f, 55) - alike(r, f, 55)
    (_, h_x, m_x), (_, h_y, m_y) = lmn(x), lmn(y)
    chroma = (2 * (h_x * h_y + m_x * m_y) + 550) / (h_x**2 + h_y**2 + m_x**2 + m_y**2 + 550)
    root = (0.6 * gradient + 0.4 * chroma).astype(complex) ** 0.25
    return float(np.mean(np.abs(root - np.mean(root))) ** 0.25)


def haar(plane: Array, size: int) -> tuple[Array, Array]:
    """Magnitudes of the two directions of the Haar detail of `size` px, zeros outside the image."""
    kernel = np.full((size, size), 1 / size)
    kernel[: size // 2] *= -1
    return tuple(np.abs(correlate(plane, k, mode="constant", origin=-1)) for k in (kernel, kernel.T))  # type: ignore[return-value]


def haarpsi(x: Array, y: Array) -> float:
    """Reisenhofer et al. 2018, equations 10 to 13 with C = 30 and alpha = 4.2, on YIQ in [0, 255] at half size."""
    planes = [[halved(plane) * 255 for plane in yiq(image)] for image in (x, y)]
    fine = [(haar(planes[0][0], size), haar(planes[1][0], size)) for size in (2, 4)]
    coarse = [np.maximum(a, b) for a, b in zip(haar(planes[0][0], 8), haar(planes[1][0], 8), strict=True)]
    local = [np.mean([alike(a[k], b[k], 30) for a, b in fine], axis=0) for k in (0, 1)]

    def smooth(plane: Array) -> Array:
        padded = framed(plane, 0, 1, "constant")
        return np.abs(padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]) / 4

    local.append(np.mean([alike(smooth(planes[0][c]), smooth(planes[1][c]), 30) for c in (1, 2)], axis=0))
    weights = [*coarse, (coarse[0] + coarse[1]) / 2]
    logistic = [1 / (1 + np.exp(-4.2 * values)) for values in local]
    mean = sum(np.sum(w * v) for w, v in zip(weights, logistic, strict=True)) / sum(np.sum(w) for w in weights)
    return float((np.log(mean / (1 - mean)) / 4.2) ** 2)


def resized(plane: Array, height: int, width: int, corners: bool) -> Array:
    """Bilinear, without a filter against aliasing; corners: the centres of the corner pixels stay where they are."""

    def weights(count: int, source: int) -> Array:
        matrix = np.zeros((count, source))
        for i in range(count):
            place = i * (source - 1) / (count - 1) if corners else max(0.0, (i + 0.5) * source / count - 0.5)
            low = min(int(place), source - 1)
            matrix[i, low] += 1 - (place - low)
            matrix[i, min(low + 1, source - 1)] += place - low
        return matrix

    return weights(height, plane.shape[0]) @ plane @ weights(width, plane.shape[1]).T


def saliency(x: Array) -> Array:
    """SDSP (Zhang, Gu, Li, ICIP 2013) at 256 x 256, brought back to the size of the image, in [0, 1]."""
    small = np.stack([resized(x[..., c], 256, 256, False) for c in range(3)], axis=-1)
    linear = np.where(small <= 0.04045, small / 12.92, ((small + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz = linear @ to_xyz.T / np.array([0.9642, 1.0, 0.8251])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    lab = np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
    frequency = np.fft.fftfreq(256)
    radius = np.sqrt(frequency[:, None] ** 2 + frequency[None, :] ** 2)
    radius[0, 0] = 1
    band = np.exp(-(np.log(radius / 0.021) ** 2) / (2 * 1.34**2)) * (radius <= 0.5)
    band[0, 0] = 0
    energy = np.sqrt(sum(np.real(np.fft.ifft2(np.fft.fft2(lab[..., c]) * band)) ** 2 for c in range(3)))
    warm = [(lab[..., c] - lab[..., c].min()) / (lab[..., c].max() - lab[..., c].min()) for c in (1, 2)]
    colour = 1 - np.exp(-(warm[0] ** 2 + warm[1] ** 2) / 0.001**2)
    place = np.arange(1, 257) - 128
    centre = np.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / 145**2)
    full = resized(energy * colour * centre, x.shape[0], x.shape[1], True)
    return (full - full.min()) / (full.max() - full.min())


def vsi(x: Array, y: Array) -> float:
    """Zhang, Shen, Li 2014, equations 2 to 7, alpha = .4 and beta = .02."""
    factor = viewing_factor(x)

    def shrunk(plane: Array) -> Array:
        return blocks(framed(plane, factor // 2, (factor - 1) // 2, "edge"), factor)

    salient_x, salient_y = shrunk(saliency(x)), shrunk(saliency(y))
    (l_x, m_x, n_x), (l_y, m_y, n_y) = lmn(shrunk(x) * 255), lmn(shrunk(y) * 255)
    chroma = (alike(m_x, m_y, 130) * alike(n_x, n_y, 130)).astype(complex)
    gradient = alike(edges(l_x, SCHARR), edges(l_y, SCHARR), 386)
    local = alike(salient_x, salient_y, 1.27) * gradient**0.4 * np.real(chroma**0.02)
    weight = np.maximum(salient_x, salient_y)
    return float(np.sum(local * weight) / np.sum(weight))


def phase_congruency(luma: Array) -> Array:
    """Kovesi 1999 as the authors of FSIM set it: four scales from 6 px, doubling, four orientations."""
    rows, columns = luma.shape
    v, u = np.meshgrid(np.fft.fftfreq(rows), np.fft.fftfreq(columns), indexing="ij")
    radius, angle = np.sqrt(u**2 + v**2), np.arctan2(-v, u)
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    energy_all, amplitude_all = np.zeros((rows, columns)), np.zeros((rows, columns))
    for orientation in range(4):
        towards = orientation * np.pi / 4
        distance = np.abs(
            np.arctan2(
                np.sin(angle) * np.cos(towards) - np.cos(angle) * np.sin(towards),
                np.cos(angle) * np.cos(towards) + np.sin(angle) * np.sin(towards),
            )
        )
        spread = np.exp(-(distance**2) / (2 * (np.pi / 4 / 1.2) ** 2))
        filters = []
        for scale in range(4):
            radial = np.exp(-(np.log(radius * 6 * 2**scale) ** 2) / (2 * np.log(0.55) ** 2)) * low_pass
            radial[0, 0] = 0
            filters.append(radial * spread)
        responses = [np.fft.ifft2(np.fft.fft2(luma) * f) for f in filters]
        kernels = [np.real(np.fft.ifft2(f)) * np.sqrt(rows * columns) for f in filters]
        total = sum(responses)
        length = np.abs(total) + 1e-4
        even, odd = np.real(total) / length, np.imag(total) / length
        energy = sum(np.real(r) * even + np.imag(r) * odd - np.abs(np.real(r) * odd - np.imag(r) * even)
                     for r in responses)  # fmt: skip
        finest = np.sort(np.abs(responses[0]).ravel() ** 2)
        median = finest[(len(finest) - 1) // 2]  # the lower of the two middle values
        power = -median / np.log(0.5) / np.sum(filters[0] ** 2)
        squares = sum(np.sum(k**2) for k in kernels)
        products = sum(np.sum(kernels[i] * kernels[j]) for i in range(4) for j in range(i + 1, 4))
        tau = np.sqrt((2 * power * squares + 4 * power * products) / 2)
        threshold = (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7
        energy_all += np.maximum(energy - threshold, 0)
        amplitude_all += sum(np.abs(r) for r in responses)
    return energy_all / (amplitude_all + 1e-4)


def fsim(x: Array, y: Array) -> float:
    """Zhang et al. 2011, equations 4 to 10, FSIMc."""
    factor = viewing_factor(x)
    (y_x, i_x, q_x), (y_y, i_y, q_y) = (yiq(blocks(image, factor) * 255) for image in (x, y))
    phase_x, phase_y = phase_congruency(y_x), phase_congruency(y_y)
    gradient = alike(edges(y_x, SCHARR), edges(y_y, SCHARR), 160)
    chroma = (alike(i_x, i_y, 200) * alike(q_x, q_y, 200)).astype(complex)
    local = alike(phase_x, phase_y, 0.85) * gradient * np.real(chroma**0.03)
    weight = np.maximum(phase_x, phase_y)
    return float(np.sum(local * weight) / np.sum(weight))


ORACLES = {
    "psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim, "gmsd": gmsd, "ms_gmsd": ms_gmsd, "mdsi": mdsi,
    "haarpsi": haarpsi, "vsi": vsi, "fsim": fsim,
}  # fmt: skip
