"""The catalogue: every distortion with its axis, unit and ladder; the axes are in axes.py and at hand here too.

Ladders are amounts set by hand after the levels of KADID-10k, TID2013, Re-IQA and ARNIQA, widened at the top where
those are mild; `severity.json` then says which amounts are equally bad. Numbers after a data set's name are its types.
"""

from dataclasses import dataclass

from distortion_engine.axes import AXES as AXES
from distortion_engine.axes import AXIS_INDEX as AXIS_INDEX
from distortion_engine.axes import Axis as Axis
from distortion_engine.distortions import (
    blur,
    camera,
    color,
    compression,
    lines,
    local,
    noise,
    resampling,
    sparse,
    tone,
    upscaling,
)
from distortion_engine.distortions.contract import Apply, Profile, Support
from distortion_engine.distortions.samplers import (
    Sampler,
    choice,
    grey,
    joined,
    misregistration,
    none,
    uniform,
    with_ends,
)


@dataclass(frozen=True)
class Distortion:
    """One kind of damage, and everything that is known about it.

    Args:
        name: the key in `DISTORTIONS` and in recipes.
        axis: the axis of `AXES` on which it moves an image.
        sign: the direction on that axis, -1 or +1.
        unit: of the amounts.
        ladder: five rising amounts. 0 is the identity, and every amount from 0 to `ladder[-1]` works.
        apply: the distortion itself.
        sample_params: draws the parameters that it has beside the amount.
        local: whether the effect at a pixel depends only on its neighbourhood, and not on its place in the frame, on a
            block grid or on the whole image.
        trained: whether recipes draw it unless told otherwise.
        source: the data sets (with their numbers of it), papers and standards that have it.
        support: for distortions that touch only some pixels, the weight of each pixel, from an equal generator.
        profile: for distortions that act on all pixels but unevenly, the strength at each pixel over its mean.
        seeded: whether the result depends on the generator.
        codec: whether it encodes and decodes the image, in 8 bits. Compositions apply codecs after the sensor's noise.
    """

    name: str
    axis: str
    sign: int
    unit: str
    ladder: tuple[float, float, float, float, float]
    apply: Apply
    sample_params: Sampler
    local: bool = True
    trained: bool = True
    source: str = ""
    support: Support | None = None
    profile: Profile | None = None
    seeded: bool = False
    codec: bool = False


_motion = joined(uniform(angle_deg=(0.0, 360.0)), with_ends(decay=(0.0, 3.0), bow=(0.0, 1.0), anchor=(0.0, 1.0)))
_channels = with_ends(all_channels=(0.0, 1.0))
_detail = joined(uniform(radius_px=(0.6, 2.5)), _channels)
_pivot = with_ends(mid_grey=(0.0, 0.5))  # beyond, a dark picture gets darker rather than harsher
_bounded_grey = joined(grey, with_ends(bounded=(0.0, 1.0)))
_gains = joined(choice(coded=(0.0, 1.0)), uniform(level=(-0.5, 0.5)))
_hue = with_ends(lightness=(0.0, 1.0))
_sharpening = uniform(gain=(1.0, 3.0))
_halo = joined(uniform(radius_px=(4.0, 10.0)), _channels)
_guided = choice(radius_px=(2.0, 3.0, 4.0))
_grain = uniform(grain_px=(0.6, 1.6))
_chroma_grain = uniform(grain_px=(0.3, 1.5))
_developed = uniform(grain_px=(0.4, 1.1), blotch_px=(0.6, 4.0), colour=(0.2, 1.0))
_side = uniform(side_px=(8.0, 24.0))
_wavelength = uniform(wavelength_px=(16.0, 48.0))
_glare = uniform(glare_px=(8.0, 24.0))
_ghost = uniform(distance_px=(4.0, 16.0), angle_deg=(0.0, 360.0))
_patch = joined(uniform(side_px=(16.0, 56.0)), choice(mirrored=(0.0, 1.0)))
_scratch = joined(choice(width_px=(1.0, 2.0, 3.0)), with_ends(brightness=(0.0, 1.0)), uniform(opacity=(0.6, 1.0)))
_line = joined(choice(columns=(0.0, 1.0), copied=(0.0, 1.0)), with_ends(brightness=(0.0, 1.0)))
_copied = choice(copied=(0.0, 1.0))
_period = choice(period_px=(2.0, 3.0, 4.0))
_phase = choice(phase=(0.0, 1.0, 2.0, 3.0))
_shift = choice(shift_px=(1.0, 2.0, 3.0, 4.0, 5.0))  # of a grid of 8 px
_haze = uniform(angle_deg=(180.0, 360.0), airlight=(0.8, 0.95))  # denser towards the top, where the distance is

# fmt: off
_ROWS: tuple[Distortion, ...] = (
    Distortion("gaussian_blur", "sharpness", -1, "sigma_px", (0.6, 1.1, 1.8, 3.0, 5.0),
               blur.gaussian_blur, none, source="KADID 1, TID 8, Re-IQA 1"),
    Distortion("lens_blur", "sharpness", -1, "radius_px", (0.7, 1.5, 2.7, 4.8, 8.0),
               blur.lens_blur, none, source="KADID 2, Re-IQA 2"),
    Distortion("motion_blur", "sharpness", -1, "length_px", (2.5, 5.0, 9.0, 15.0, 24.0),
               blur.motion_blur, _motion, source="KADID 3, Re-IQA 26, ARNIQA"),
    Distortion("sharpen", "sharpness", +1, "gain", (0.7, 1.5, 2.8, 5.0, 9.0),
               blur.sharpen, _detail, source="KADID 24, Re-IQA 17"),
    Distortion("halo_sharpen", "sharpness", +1, "gain", (0.25, 0.5, 0.9, 1.6, 3.0),
               blur.halo_sharpen, _halo, source="wide-radius unsharp masking"),
    Distortion("pixelate", "pixelation", +1, "block_px - 1", (0.7, 1.4, 2.5, 4.4, 7.5),
               resampling.pixelate, none, source="KADID 21, Re-IQA 20", local=False),
    Distortion("resize_nearest", "pixelation", +1, "factor - 1", (0.4, 1.0, 1.8, 3.3, 6.0),
               resampling.resize_nearest, none, source="Re-IQA 24", local=False),
    Distortion("resize_bilinear", "sharpness", -1, "factor - 1", (0.6, 1.2, 2.2, 4.0, 7.0),
               resampling.resize_bilinear, none, source="Re-IQA 23"),
    Distortion("resize_bicubic", "sharpness", -1, "factor - 1", (0.7, 1.4, 2.5, 4.5, 8.0),
               resampling.resize_bicubic, none, source="Re-IQA 16"),
    Distortion("resize_lanczos", "sharpness", -1, "factor - 1", (0.8, 1.6, 2.8, 5.0, 9.0),
               resampling.resize_lanczos, none, source="Re-IQA 25"),
    Distortion("white_noise", "noise", +1, "std", (0.025, 0.05, 0.085, 0.13, 0.2),
               noise.white_noise, none, seeded=True, source="KADID 11, TID 1, Re-IQA 8"),
    Distortion("multiplicative_noise", "noise", +1, "std", (0.05, 0.1, 0.17, 0.27, 0.4),
               noise.multiplicative_noise, none, seeded=True, source="KADID 14, TID 19, Re-IQA 11"),
    Distortion("raw_noise", "noise", +1, "std at white", (0.025, 0.05, 0.085, 0.14, 0.22),
               noise.raw_noise, none, seeded=True, source="Foi et al. 2008"),
    Distortion("developed_noise", "noise", +1, "std of luma at white", (0.014, 0.027, 0.043, 0.07, 0.13),
               noise.developed_noise, _developed, seeded=True, source="Nam et al. 2016"),
    Distortion("high_frequency_noise", "noise", +1, "std", (0.025, 0.05, 0.085, 0.13, 0.2),
               noise.high_frequency_noise, none, seeded=True, source="TID 5"),
    Distortion("film_grain", "noise", +1, "std in mid-tones", (0.02, 0.04, 0.07, 0.11, 0.17),
               noise.film_grain, _grain, seeded=True, source="TID 3"),
    Distortion("chroma_noise", "chroma_noise", +1, "std", (0.03, 0.06, 0.1, 0.16, 0.25),
               noise.chroma_noise, _chroma_grain, seeded=True, source="KADID 12, TID 2, Re-IQA 9"),
    Distortion("impulse_noise", "impulse", +1, "probability", (0.002, 0.007, 0.018, 0.04, 0.09),
               noise.impulse_noise, none, seeded=True, source="KADID 13, TID 6, Re-IQA 10"),
    Distortion("dead_pixels", "impulse", +1, "probability", (0.004, 0.013, 0.035, 0.08, 0.16),
               noise.dead_pixels, none, seeded=True, source="random-valued impulses"),
    Distortion("denoise", "smearing", +1, "range sigma", (0.04, 0.08, 0.13, 0.21, 0.34),
               camera.denoise, none, seeded=True, source="KADID 15, TID 9, Re-IQA 12"),
    Distortion("guided_smooth", "smearing", +1, "sqrt(eps)", (0.03, 0.06, 0.11, 0.2, 0.4),
               camera.guided_smooth, _guided, source="He et al. 2010"),
    Distortion("jpeg", "blocking", +1, "100 - quality", (40.0, 65.0, 79.0, 89.0, 95.0),
               compression.jpeg, none, codec=True, source="KADID 10, TID 10, Re-IQA 7", local=False),
    Distortion("double_jpeg", "blocking", +1, "100 - quality", (35.0, 60.0, 76.0, 87.0, 94.0),
               compression.double_jpeg, _shift, codec=True, source="JPEG of a cropped JPEG", local=False),
    Distortion("jpeg2000", "smearing", +1, "60 dB - PSNR", (21.0, 25.5, 29.5, 33.5, 38.0),
               compression.jpeg2000, none, codec=True, source="KADID 9, TID 11, ARNIQA", local=False),
    Distortion("webp", "smearing", +1, "100 - quality", (40.0, 70.0, 86.0, 95.0, 100.0),
               compression.webp, none, codec=True, source="libwebp", local=False),
    Distortion("avif", "smearing", +1, "100 - quality", (40.0, 56.0, 71.0, 85.0, 98.0),
               compression.avif, none, codec=True, source="libavif", local=False),
    Distortion("jpegxl", "smearing", +1, "distance", (1.8, 3.6, 6.5, 11.0, 19.0),
               compression.jpegxl, none, codec=True, source="libjxl", local=False),
    Distortion("brighten", "brightness", +1, "exponent - 1", (0.2, 0.45, 0.8, 1.4, 2.5),
               tone.brighten, none, source="KADID 16, Re-IQA 13"),
    Distortion("gamma_up", "brightness", +1, "1 / exponent - 1", (0.2, 0.45, 0.8, 1.4, 2.5),
               tone.gamma_up, none, source="wrong display gamma"),
    Distortion("mean_shift_up", "brightness", +1, "code value / 255", (0.05, 0.1, 0.17, 0.26, 0.4),
               tone.mean_shift_up, none, source="KADID 18, TID 16, Re-IQA 15"),
    Distortion("overexpose", "brightness", +1, "stops", (0.3, 0.6, 1.0, 1.6, 2.5),
               tone.overexpose, none, source="exposure with clipping"),
    Distortion("darken", "brightness", -1, "exponent - 1", (0.2, 0.45, 0.8, 1.4, 2.5),
               tone.darken, none, source="KADID 17, Re-IQA 14"),
    Distortion("mean_shift_down", "brightness", -1, "code value / 255", (0.05, 0.1, 0.17, 0.26, 0.4),
               tone.mean_shift_down, none, source="KADID 18, TID 16, Re-IQA 15"),
    Distortion("low_light", "brightness", -1, "stops", (0.5, 1.0, 1.7, 2.6, 4.0),
               tone.low_light, none, source="under-exposure"),
    Distortion("vignetting", "brightness", -1, "fall-off", (0.4, 0.8, 1.5, 2.8, 5.0),
               camera.vignetting, none, source="fourth-power fall-off", local=False,
               profile=camera.vignetting_profile),
    Distortion("contrast_up", "contrast", +1, "gain - 1", (0.25, 0.5, 0.9, 1.6, 3.0),
               tone.contrast_up, _pivot, source="KADID 25, TID 17, Re-IQA 18", local=False),
    Distortion("contrast_curve", "contrast", +1, "share", (0.2, 0.4, 0.6, 0.8, 1.0),
               tone.contrast_curve, none, source="KADID 25, ARNIQA"),
    Distortion("contrast_down", "contrast", -1, "1 - gain", (0.15, 0.3, 0.45, 0.62, 0.8),
               tone.contrast_down, _pivot, source="KADID 25, TID 17, Re-IQA 18", local=False),
    Distortion("saturate", "saturation", +1, "gain - 1", (0.4, 0.9, 1.6, 2.8, 5.0),
               color.saturate, _bounded_grey, source="KADID 8, TID 18, Re-IQA 6"),
    Distortion("desaturate", "saturation", -1, "1 - gain", (0.25, 0.45, 0.65, 0.83, 1.0),
               color.desaturate, grey, source="KADID 7, TID 18, Re-IQA 5"),
    Distortion("hue_rotate_warm", "hue", +1, "angle_deg", (10.0, 20.0, 35.0, 55.0, 90.0),
               color.hue_rotate_warm, _hue, source="hue error"),
    Distortion("hue_rotate_cool", "hue", -1, "angle_deg", (10.0, 20.0, 35.0, 55.0, 90.0),
               color.hue_rotate_cool, _hue, source="hue error"),
    Distortion("white_balance_warm", "color_cast", +1, "stops", (0.25, 0.5, 0.9, 1.5, 2.4),
               color.white_balance_warm, _gains, source="white balance error"),
    Distortion("white_balance_cool", "color_cast", -1, "stops", (0.25, 0.5, 0.9, 1.5, 2.4),
               color.white_balance_cool, _gains, source="white balance error"),
    Distortion("tint_green", "tint", +1, "stops", (0.15, 0.3, 0.55, 0.95, 1.6),
               color.tint_green, _gains, source="white balance error, fluorescent light"),
    Distortion("tint_magenta", "tint", -1, "stops", (0.15, 0.3, 0.55, 0.95, 1.6),
               color.tint_magenta, _gains, source="white balance error"),
    Distortion("color_diffusion", "chroma_defect", +1, "sigma_px", (1.5, 3.0, 6.0, 11.0, 20.0),
               color.color_diffusion, none, source="KADID 4, Re-IQA 3"),
    Distortion("chroma_shift", "chroma_defect", +1, "px", (0.6, 1.2, 2.2, 4.0, 7.0),
               color.chroma_shift, misregistration, source="KADID 5, TID 23, Re-IQA 4"),
    Distortion("radial_fringing", "chroma_defect", +1, "px at corner", (1.0, 2.0, 3.5, 6.0, 10.0),
               color.radial_fringing, none, source="lateral chromatic aberration, TID 23", local=False,
               profile=color.radial_fringing_profile),
    Distortion("demosaic_errors", "chroma_defect", +1, "gain", (0.5, 1.0, 1.7, 2.8, 4.5),
               camera.demosaic_errors, _phase, source="bilinear Bayer demosaicing"),
    Distortion("quantize", "quantization", +1, "step", (0.055, 0.09, 0.14, 0.21, 0.33),
               color.quantize, none, source="KADID 22, TID 7, ARNIQA"),
    Distortion("quantize_dither", "quantization", +1, "step", (0.05, 0.09, 0.15, 0.24, 0.36),
               color.quantize_dither, none, seeded=True, source="KADID 6, TID 22"),
    Distortion("banding", "quantization", +1, "step", (0.06, 0.1, 0.16, 0.25, 0.38),
               color.banding, none, source="false contours in gradients"),
    Distortion("jitter", "geometric", +1, "std px", (0.3, 0.6, 1.1, 1.9, 3.2),
               local.jitter, none, seeded=True, source="KADID 19, Re-IQA 22"),
    Distortion("wobble", "geometric", +1, "std px", (0.5, 1.0, 1.8, 3.0, 5.0),
               local.wobble, _wavelength, seeded=True, source="smooth warping"),
    Distortion("displaced_patches", "geometric", +1, "% of area", (3.0, 7.0, 13.0, 22.0, 36.0),
               local.displaced_patches, none, seeded=True, source="KADID 20, TID 14, Re-IQA 21", local=False,
               support=local.displaced_patches_support),
    Distortion("ghosting", "geometric", +1, "share", (0.05, 0.11, 0.19, 0.31, 0.5),
               local.ghosting, _ghost, source="merged exposures, reflections"),
    Distortion("color_blocks", "local_damage", +1, "% of area", (0.8, 2.0, 4.0, 7.5, 14.0),
               local.color_blocks, _side, seeded=True, source="KADID 23, TID 15, Re-IQA 19", local=False,
               support=local.color_blocks_support),
    Distortion("dropped_blocks", "local_damage", +1, "% of blocks", (1.5, 4.0, 8.0, 15.0, 28.0),
               local.dropped_blocks, _copied, seeded=True, source="TID 12, TID 13", local=False,
               support=local.dropped_blocks_support),
    Distortion("foreign_patches", "local_damage", +1, "% of area", (0.8, 2.0, 4.0, 7.5, 14.0),
               local.foreign_patches, _patch, seeded=True, source="wrong blocks of a decoder or of a retoucher",
               local=False, support=local.foreign_patches_support),
    Distortion("scratches", "local_damage", +1, "% of area", (0.15, 0.4, 0.9, 2.0, 4.5),
               lines.scratches, _scratch, seeded=True, source="scratched film, hairs", local=False,
               support=lines.scratches_support),
    Distortion("dropped_lines", "local_damage", +1, "% of lines", (0.6, 1.6, 3.5, 7.0, 14.0),
               lines.dropped_lines, _line, seeded=True, source="lost rows or columns of a sensor", local=False,
               support=lines.dropped_lines_support),
    Distortion("checkerboard", "local_damage", +1, "amplitude", (0.03, 0.06, 0.11, 0.18, 0.3),
               local.checkerboard, _period, source="Odena et al. 2016"),
    Distortion("haze", "haze", +1, "optical depth", (0.15, 0.3, 0.55, 0.95, 1.6),
               camera.haze, _haze, source="Koschmieder's law", local=False,
               profile=camera.haze_profile),
    Distortion("veiling_glare", "haze", +1, "share", (0.15, 0.3, 0.5, 0.75, 1.0),
               camera.veiling_glare, _glare, source="ISO 9358 veiling glare"),
    Distortion("masked_noise", "noise", +1, "std in texture", (0.038, 0.08, 0.135, 0.24, 0.5),
               noise.masked_noise, none, seeded=True, source="TID 4"),
    Distortion("comfort_noise", "noise", +1, "noise / texture", (0.38, 0.72, 0.94, 1.75, 3.5),
               noise.comfort_noise, none, seeded=True, source="TID 20"),
    Distortion("noisy_compression", "blocking", +1, "std of the noise", (0.01, 0.024, 0.044, 0.08, 0.17),
               compression.noisy_compression, none, local=False, seeded=True, codec=True, source="TID 21"),
    Distortion("sparse_sampling", "smearing", +1, "% of pixels lost", (20.0, 44.0, 63.0, 78.0, 92.0),
               sparse.sparse_sampling, none, seeded=True, source="TID 24, Guleryuz 2006"),
    Distortion("sr_sharpened", "smearing", +1, "factor - 1", (0.5, 1.0, 1.8, 3.2, 6.0),
               upscaling.sr_sharpened, _sharpening, source="ours: upscaling with halos"),
    Distortion("sr_aliased", "pixelation", +1, "factor - 1", (0.6, 1.2, 2.0, 3.5, 6.0),
               upscaling.sr_aliased, none, source="ours: upscaling of an aliased picture"),
    Distortion("sr_painted", "smearing", +1, "factor - 1", (0.4, 0.9, 1.6, 2.8, 5.0),
               upscaling.sr_painted, none, source="ours: upscaling with flat patches and crisp edges"),
    Distortion("sr_back_projection", "smearing", +1, "factor - 1", (0.6, 1.2, 2.2, 4.0, 7.0),
               upscaling.sr_back_projection, none, source="ours: blind upscaling that rings"),
    Distortion("denoise_residual", "smearing", +1, "std of the noise", (0.03, 0.06, 0.1, 0.16, 0.25),
               upscaling.denoise_residual, none, seeded=True, source="ours: blotches of transform denoising"),
)
# fmt: on
DISTORTIONS: dict[str, Distortion] = {row.name: row for row in _ROWS}
