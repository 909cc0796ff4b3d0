"""The field of a restoration output, measured against the reference: nobody can say what an algorithm did to a place.

Five axes are measured: sharpness (both directions), smearing, noise, chroma noise, brightness. The luma of both images
is split into bands of half an octave. Around every pixel the output's band is a gain times the reference's band plus a
residue:

- the gain of the strongest structure (edges) of the whole image says how much sharpness was lost or added: algorithms
  work on the whole image alike;
- a gain that is lower at a place than that is texture lost there: smearing;
- the residue that no gain explains is noise; the same in the colour differences is chroma noise;
- the difference of local means is brightness.

What is measured becomes a severity by the same measurement on the ladders of gaussian_blur, sharpen, guided_smooth,
white_noise, chroma_noise and mean shifts (`python -m experiments.restoration.measure` writes `measured.json`).
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from distortion_engine.axes import AXES, AXIS_INDEX
from distortion_engine.distortions.color_conversion import luma
from distortion_engine.distortions.filters import gaussian

BAND_SIGMAS_PX = (0.0, 0.5, 0.8, 1.13, 1.6, 2.26, 3.2)  # a band is the difference of two neighbours
GAIN_SIGMA_PX = 3.0  # neighbourhood of a gain
FIELD_SIGMA_PX = 8.0  # neighbourhood of a field
MEAN_SIGMA_PX = 16.0  # of brightness: wide, so that lost texture does not count
STRUCTURE_FLOOR = (1.0 / 255) ** 2  # variance of a band in the reference below which it tells nothing of gains
# A blur or a sharpening is not one gain a band: about this share of the energy it takes or adds is left as residue.
UNEVEN_GAIN = 0.15
# White noise in R, G and B leaves this much variance in the colour differences (mean of both) over that in luma.
WHITE_CHROMA = 2.3
LEAST_STRUCTURE = 0.25  # share of a neighbourhood with structure from which sharpness is measured there


@dataclass(frozen=True)
class Measures:
    """What differs between an output and its reference around every pixel, all (1, H, W).

    Args:
        edge_loss: 1 less the gain of strong structure, mean over the bands; negative where detail was added. The same
            everywhere.
        texture_loss: by how much the gain of structure at a place is lower than that, not below 0.
        residue: standard deviation of luma that no gain explains.
        chroma_residue: the same of the two colour differences, beyond what white noise of that luma residue has there.
        shift: mean difference of luma.
        structure: share of the neighbourhood in which the reference has structure, in [0, 1].
    """

    edge_loss: Tensor
    texture_loss: Tensor
    residue: Tensor
    chroma_residue: Tensor
    shift: Tensor
    structure: Tensor


def measures(output: Tensor, reference: Tensor) -> Measures:
    """Of two images (3, H, W) in [0, 1]. Exactly 0 everywhere where they are equal, but for `structure`."""
    ours, theirs = luma(output), luma(reference)
    edge, texture, energy, structure = [], [], torch.zeros_like(ours), torch.zeros_like(ours)
    for own_band, reference_band in zip(_bands(ours), _bands(theirs), strict=True):
        strength, excess, unexplained = _regression(own_band, reference_band)
        known = (strength > STRUCTURE_FLOOR).to(ours.dtype)
        share = gaussian(known, FIELD_SIGMA_PX).clamp_min(1e-6)
        weight = known * strength**2
        strong = (weight * excess).sum() / weight.sum().clamp_min(1e-12)
        weak = gaussian(known * excess, FIELD_SIGMA_PX) / share
        edge.append(-strong.expand_as(weak))
        texture.append((strong - weak).clamp_min(0.0))
        energy = energy + unexplained
        structure = structure + share / (len(BAND_SIGMAS_PX) - 1)
    chroma = torch.zeros_like(ours)
    for own_plane, reference_plane in zip(_differences(output), _differences(reference), strict=True):
        for own_band, reference_band in zip(_bands(own_plane), _bands(reference_plane), strict=True):
            chroma = chroma + _regression(own_band, reference_band)[2] / 2
    return Measures(
        edge_loss=torch.stack(edge).mean(0),
        texture_loss=torch.stack(texture).mean(0),
        residue=gaussian(energy, FIELD_SIGMA_PX).clamp_min(0.0).sqrt(),
        chroma_residue=gaussian(chroma - WHITE_CHROMA * energy, FIELD_SIGMA_PX).clamp_min(0.0).sqrt(),
        shift=gaussian(ours - theirs, MEAN_SIGMA_PX),
        structure=structure.clamp(0.0, 1.0),
    )


def _bands(plane: Tensor) -> list[Tensor]:
    """Bands of (1, H, W), finest first."""
    smooth = [plane if sigma == 0.0 else gaussian(plane, sigma) for sigma in BAND_SIGMAS_PX]
    return [fine - coarse for fine, coarse in zip(smooth, smooth[1:], strict=False)]


def _differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Blue and red less luma, (1, H, W) each."""
    tone = luma(image)
    return image[2:3] - tone, image[0:1] - tone


def _regression(output: Tensor, reference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Around every pixel: variance of the reference's band, gain of the output's on it less 1, and the variance that is
    left for noise. Written in the difference of both, so that equal bands give exactly 0."""
    difference = output - reference
    strength = gaussian(reference * reference, GAIN_SIGMA_PX)
    excess = gaussian(reference * difference, GAIN_SIGMA_PX) / (strength + 0.1 * STRUCTURE_FLOOR)
    left = gaussian((difference - excess * reference) ** 2, GAIN_SIGMA_PX) - UNEVEN_GAIN * excess**2 * strength
    return strength, excess, left.clamp_min(0.0)


def measured_field(output: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """(field (K, H, W) in [-1, 1] in the order of `AXES`, validity (1, H, W) in {0, 1}) of an output of an algorithm
    against its reference, images (3, H, W) in [0, 1].

    validity is 0 where the reference has too little structure to tell whether sharpness or texture was lost.
    """
    found = measures(output, reference)
    field = torch.zeros(len(AXES), *reference.shape[-2:])
    blur, sharp = _severity("blur", found.edge_loss), _severity("sharpen", -found.edge_loss)
    field[AXIS_INDEX["sharpness"]] = (sharp - blur)[0]
    field[AXIS_INDEX["smearing"]] = _severity("smear", found.texture_loss)[0]
    field[AXIS_INDEX["noise"]] = _severity("noise", found.residue)[0]
    field[AXIS_INDEX["chroma_noise"]] = _severity("chroma_noise", found.chroma_residue)[0]
    brighter, darker = _severity("brighter", found.shift), _severity("darker", -found.shift)
    field[AXIS_INDEX["brightness"]] = (brighter - darker)[0]
    return field.clamp(-1.0, 1.0), (found.structure >= LEAST_STRUCTURE).to(field.dtype)


def _severity(name: str, values: Tensor) -> Tensor:
    """Measured values to severities by the shipped table; 0 for its first value and below."""
    table = _tables()[name]
    severities = np.interp(values.numpy(), table["values"], table["severities"])
    return torch.from_numpy(severities.astype(np.float32))


@functools.cache
def _tables() -> Mapping[str, Mapping[str, list[float]]]:
    text = (importlib.resources.files("distortion_engine") / "restoration" / "measured.json").read_text("utf-8")
    tables: dict[str, dict[str, list[float]]] = json.loads(text)["tables"]
    return tables
