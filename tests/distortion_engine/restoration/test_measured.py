"""Fields of restoration outputs are measured: 0 for equal images, right axis and direction, rising with the damage."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.axes import AXES, AXIS_INDEX
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.reading.image_io import load_image
from distortion_engine.restoration import measured
from distortion_engine.restoration.measured import measured_field, measures
from distortion_engine.severity import amount_for

PHOTO = load_image(Path(__file__).parents[2] / "images" / "photo_2.png")[:, :128, :128].contiguous()
AXES_OF = {
    "gaussian_blur": ("sharpness", -1, {}),
    "sharpen": ("sharpness", 1, {"radius_px": 1.2, "all_channels": 0.0}),
    "guided_smooth": ("smearing", 1, {"radius_px": 3.0}),
    "white_noise": ("noise", 1, {}),
    "chroma_noise": ("chroma_noise", 1, {"grain_px": 0.8}),
    "mean_shift_up": ("brightness", 1, {}),
    "mean_shift_down": ("brightness", -1, {}),
}


def damaged(name: str, severity: float) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return DISTORTIONS[name].apply(PHOTO, amount_for(name, severity), generator, **AXES_OF[name][2])


def mean_field(name: str, severity: float) -> np.ndarray:
    field, validity = measured_field(damaged(name, severity), PHOTO)
    return ((field * validity).sum((1, 2)) / validity.sum()).numpy()


def test_equal_images_have_a_field_of_exactly_zero():
    field, validity = measured_field(PHOTO, PHOTO)
    assert field.shape == (len(AXES), 128, 128) and validity.shape == (1, 128, 128)
    assert not field.any() and set(validity.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("name", AXES_OF)
def test_the_axis_of_the_damage_is_the_strongest_in_its_direction_and_rises(name: str):
    axis, sign, _ = AXES_OF[name]
    weak, strong = (mean_field(name, severity) for severity in (0.2, 0.4))
    index = AXIS_INDEX[axis]
    assert int(np.abs(strong).argmax()) == index
    assert 0 < sign * weak[index] < sign * strong[index]


def test_where_the_reference_is_flat_nothing_is_claimed_about_sharpness():
    flat = PHOTO.clone()
    flat[:, :, 64:] = 0.5
    _, validity = measured_field(flat, flat)
    assert float(validity[0, 64, 20:44].mean()) == 1.0 and float(validity[0, :, 100:].mean()) == 0.0


def test_the_gain_of_a_scaled_band_is_its_scale():
    band = torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(2))
    noise = 0.1 * torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(3))
    strength, excess, left = measured._regression(0.7 * band + noise, band)
    assert float(excess.mean()) == pytest.approx(-0.3, abs=0.01)
    assert float(strength.mean()) == pytest.approx(1.0, rel=0.05)
    expected = 0.01 - measured.UNEVEN_GAIN * 0.09
    assert float(measured._regression(band + noise, band)[2].mean()) == pytest.approx(0.01, rel=0.15)
    assert float(left.mean()) == pytest.approx(max(expected, 0.0), abs=2e-3)


def test_bands_add_up_to_what_the_widest_blur_takes_away():
    tone = PHOTO[:1]
    bands = measured._bands(tone)
    expected = tone - measured.gaussian(tone, measured.BAND_SIGMAS_PX[-1])
    torch.testing.assert_close(sum(bands[1:], bands[0]), expected, atol=1e-5, rtol=0)


def test_white_noise_is_no_colour_noise():
    noise = 0.05 * torch.randn(PHOTO.shape, generator=torch.Generator().manual_seed(4))
    grey = torch.full_like(PHOTO, 0.5)
    found = measures(grey + noise, grey)
    assert float(found.chroma_residue.mean()) < 0.25 * float(found.residue.mean())


def test_tables_rise_from_invisible_to_severe():
    tables = measured._tables()
    assert set(tables) == {"blur", "sharpen", "smear", "noise", "chroma_noise", "brighter", "darker"}
    for name, table in tables.items():
        assert np.all(np.diff(table["values"]) > 0) and np.all(np.diff(table["severities"]) > 0), name
        assert table["severities"][0] == 0 and len(table["values"]) >= 4, name
