"""Findings: the numbers of a slow literal version, the word of every axis and direction, and the limits of both."""

import math

import numpy as np
import pytest

from distortion_engine.catalog import AXES
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.words.findings import Finding, find, worth_saying
from relational_iqa.results.words.places import place

HEIGHT, WIDTH = 40, 50
A, B = 1.0, -1.0  # margins: that image is better

# axis -> what is said where B is worse and has more of it, where B is worse and has less, and the same of A
WORDS = {
    "sharpness": ("B is oversharpened", "B is blurrier"),
    "pixelation": ("B is more pixelated", None),
    "noise": ("B is noisier", None),
    "chroma_noise": ("B is more colour-noisy", None),
    "impulse": ("B is more specked", None),
    "blocking": ("B is blockier", None),
    "smearing": ("B is more smeared", None),
    "brightness": ("B is brighter", "B is darker"),
    "contrast": ("B is harsher", "B is flatter"),
    "saturation": ("B is more saturated", "B is less saturated"),
    "color_cast": ("B is warmer", "B is cooler"),
    "tint": ("B is greener", "B is more magenta"),
    "hue": ("B is turned from red to yellow in hue", "B is turned from red to magenta in hue"),
    "chroma_defect": ("B is more colour-fringed", None),
    "quantization": ("B is more banded", None),
    "geometric": ("B is more warped", None),
    "local_damage": ("B is more damaged", None),
    "haze": ("B is hazier", None),
}


def flat(value: float) -> Map:
    return Map.from_array(np.full((HEIGHT, WIDTH), value))


def reasons(axis: str, value: float, margin: float) -> str:
    return Comparison(margin, {axis: flat(value)}, flat(margin), flat(1.0)).reasons()


def test_every_axis_has_its_words() -> None:
    assert list(WORDS) == [axis.name for axis in AXES]


@pytest.mark.parametrize("axis", list(WORDS))
def test_the_sign_of_a_map_chooses_image_and_word(axis: str) -> None:
    more, less = WORDS[axis]
    assert reasons(axis, 0.4, A) == f"{more} (moderate, everywhere)"  # positive: b has more
    assert reasons(axis, -0.4, B) == f"{more.replace('B', 'A', 1)} (moderate, everywhere)"
    if less is None:  # the better image having more of a defect is no reason for the verdict
        assert not reasons(axis, -0.4, A).startswith("B is") and not reasons(axis, 0.4, B).startswith("A is")
    else:
        assert reasons(axis, -0.4, A) == f"{less} (moderate, everywhere)"
        assert reasons(axis, 0.4, B) == f"{less.replace('B', 'A', 1)} (moderate, everywhere)"


@pytest.mark.parametrize(("axis", "word"), [("noise", "blurrier"), ("impulse", "blurrier"), ("haze", "oversharpened")])
def test_noise_that_matters_is_why_an_image_is_too_sharp(axis: str, word: str):
    corner = np.zeros((HEIGHT, WIDTH), np.float32)
    corner[:20, :25] = 0.2
    found = find({"sharpness": flat(0.6), axis: Map.from_array(corner)}, flat(1.0), 1.0)
    assert next(finding.word for finding in found if finding.axis == "sharpness") == word


@pytest.mark.parametrize(("warped", "word"), [(0.16, "oversharpened"), (0.6, "blurrier")])
def test_a_small_defect_beside_too_much_sharpness_does_not_explain_it(warped: float, word: str):
    """A is better; B is much sharper everywhere, and warped in a twentieth of the picture or more strongly."""
    corner = np.zeros((HEIGHT, WIDTH), np.float32)
    corner[:20, :25] = warped
    maps = {"sharpness": flat(0.5), "geometric": Map.from_array(corner if warped < 0.5 else np.full_like(corner, 0.6))}
    found = find(maps, flat(1.0), 1.0)
    assert next(finding.word for finding in found if finding.axis == "sharpness") == word


def literal_areas(values: np.ndarray, local: np.ndarray, sign: int) -> tuple[float, float, float, str] | None:
    """Intensity, share, evidence and place of one sign, pixel by pixel."""
    mass, evidence, count = 0.0, 0.0, 0
    kept = np.zeros_like(values)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            strength = sign * float(values[y, x])
            if strength > 0.1:
                mass, evidence, count = mass + strength, evidence + strength * float(local[y, x]), count + 1
                kept[y, x] = strength
    return None if count == 0 else (mass / count, count / values.size, evidence / mass, place(kept))


@pytest.mark.parametrize("seed", range(4))
def test_findings_have_the_numbers_of_a_literal_version(seed: int) -> None:
    draw = np.random.default_rng(seed)
    names = ("noise", "haze", "brightness", "color_cast")
    # Steps of 1/16 that never meet the threshold, and whose sums are exact.
    maps = {name: draw.integers(-5, 6, (HEIGHT, WIDTH)).astype(np.float32) / 16 for name in names}
    local = draw.integers(-16, 17, (HEIGHT, WIDTH)).astype(np.float32) / 16
    local[:, : WIDTH // 2] += 1.0
    margin = float(local.mean())
    found = find({name: Map.from_array(values) for name, values in maps.items()}, Map.from_array(local), margin)
    expected = set()
    for name in names:
        for sign in (1, -1):
            intensity, share, evidence, where = literal_areas(maps[name], local, sign) or pytest.fail("no area")
            if name in ("noise", "haze"):
                side = "b" if sign > 0 else "a"
            else:  # told of the worse image, by the local margin where that says something
                verdict = evidence if abs(evidence) >= 0.05 else margin
                side = "b" if verdict > 0 else "a"
            expected.add((name, side, round(sign * intensity, 9), round(share, 9), where))
    assert {(f.axis, f.side, round(f.value, 9), round(f.share, 9), f.where) for f in found} == expected
    saliences = [abs(f.value) * math.sqrt(f.share) for f in found]
    assert [f.salience for f in found] == pytest.approx(saliences) and saliences == sorted(saliences, reverse=True)


def test_findings_of_several_strips_on_the_grid_are_those_of_every_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """With maps of which most strips have nothing above the threshold, which are not enlarged."""
    monkeypatch.setattr("relational_iqa.results.map._STRIP_PX", 8 * 256)
    draw, shape = np.random.default_rng(5), (141, 253)
    maps = {}
    for name, rows in (("noise", slice(3, 9)), ("sharpness", slice(20, 30)), ("haze", slice(0, 36)), ("hue", slice(0))):
        grid = draw.uniform(-0.1, 0.1, (36, 64)).astype(np.float32)
        grid[rows] = draw.uniform(-0.6, 0.6, grid[rows].shape)
        maps[name] = Map(grid, shape, limit=0.5)
    lacks = {"sharpness": Map(draw.uniform(-0.3, 0.3, (36, 64)).astype(np.float32), shape, limit=1.0)}
    local = Map(draw.uniform(-1, 1, (36, 64)).astype(np.float32), shape)
    enlarged = {name: Map.from_array(values.full()) for name, values in maps.items()}
    for given, same in (({}, {}), (lacks, {name: Map.from_array(values.full()) for name, values in lacks.items()})):
        found = find(maps, local, 0.3, given)
        expected = find(enlarged, Map.from_array(local.full()), 0.3, same)
        assert [(f.axis, f.side, f.word, f.where) for f in found] == [
            (f.axis, f.side, f.word, f.where) for f in expected
        ]
        numbers = np.array([[(f.value, f.share) for f in every] for every in (found, expected)])
        assert len(found) >= 4 and np.allclose(*numbers, rtol=1e-5)
    for sign in (1, -1):
        intensity, share, _, where = literal_areas(maps["noise"].full(), local.full(), sign) or pytest.fail("no area")
        (own,) = (f for f in find(maps, local, 0.3) if f.axis == "noise" and f.value * sign > 0)
        assert own.where == where and (own.intensity, own.share) == pytest.approx((intensity, share))


@pytest.mark.parametrize(("value", "counts"), [(0.09, False), (0.1, False), (0.105, True)])
def test_a_pixel_counts_above_half_of_the_first_severity_level(value: float, counts: bool) -> None:
    assert bool(find({"noise": flat(value)}, flat(1.0), 1.0)) == counts


def finding(intensity: float, share: float, axis: str = "noise") -> Finding:
    return Finding(axis, "b", "noisier", intensity, share, "everywhere")


@pytest.mark.parametrize(
    ("intensity", "share", "matters"),
    [(0.12, 0.005, True), (0.119, 0.5, False), (0.9, 0.0049, False), (0.13, 0.006, True)],
)
def test_a_finding_matters_from_an_intensity_and_a_share_on(intensity: float, share: float, matters: bool) -> None:
    assert finding(intensity, share).matters == matters


def test_a_finding_of_a_quarter_of_the_strongest_is_still_said() -> None:
    strongest, quarter, less = finding(0.8, 1.0), finding(0.4, 0.25, "haze"), finding(0.4, 0.24, "blocking")
    assert quarter.salience == 0.25 * strongest.salience
    assert worth_saying([strongest, quarter, less]) == [strongest, quarter]


@pytest.mark.parametrize(("local", "word"), [(0.06, "brighter"), (0.04, "darker"), (-0.06, "darker")])
def test_a_local_margin_decides_from_a_twentieth_of_a_level_on(local: float, word: str) -> None:
    """B has more brightness. Where the local margin says that A is better there, B is the worse one: brighter. Where it
    says too little the margin of the pair decides, by which A is the worse one here: darker."""
    assert find({"brightness": flat(0.4)}, flat(local), -1.0)[0].word == word


def beside_reference(has_a: float, has_b: float, axis: str, margin: float) -> Comparison:
    """Two flat images of which one axis is known beside a reference: how much more, or less (negative), each has."""
    lacks = {axis: flat(max(-has_b, 0.0) - max(-has_a, 0.0))}
    return Comparison(margin, {axis: flat(has_b - has_a)}, flat(margin), flat(1.0), True, -1.0, -1.0, lacks=lacks)


@pytest.mark.parametrize("axis", [axis for axis, (_, less) in WORDS.items() if less])
def test_beside_a_reference_the_image_that_is_off_has_the_defect(axis: str) -> None:
    more, less = WORDS[axis]
    assert less is not None
    assert beside_reference(0.0, 0.4, axis, A).reasons() == f"{more} (moderate, everywhere)"
    assert beside_reference(0.0, -0.4, axis, A).reasons() == f"{less} (moderate, everywhere)"
    assert beside_reference(-0.4, 0.0, axis, B).reasons() == f"{less.replace('B', 'A', 1)} (moderate, everywhere)"
    for margin in (A, B):  # whatever the margin says, an image as the reference has no defect
        for off in (0.4, -0.4):
            assert {finding.side for finding in beside_reference(0.0, off, axis, margin).findings} <= {"b"}
            assert {finding.side for finding in beside_reference(off, 0.0, axis, margin).findings} <= {"a"}


def test_beside_a_reference_both_images_can_be_off_on_one_axis() -> None:
    found = beside_reference(-0.3, 0.4, "brightness", A).findings
    assert {(finding.side, finding.word, round(finding.value, 3)) for finding in found} == {
        ("a", "darker", 0.3),
        ("b", "brighter", 0.4),
    }


@pytest.mark.parametrize("off_a, off_b", [(0.0, 0.4), (0.0, -0.4), (-0.3, 0.4), (0.4, 0.1)])
def test_the_map_of_a_finding_is_positive_where_its_image_has_the_defect(off_a: float, off_b: float) -> None:
    comparison = beside_reference(off_a, off_b, "saturation", A)
    for finding in comparison.findings:
        assert np.allclose(comparison.map_of(finding).full(), finding.intensity)


def test_a_faint_reason_beside_a_reference_is_a_defect_of_the_image_that_is_off() -> None:
    assert beside_reference(0.0, -0.05, "contrast", A).reasons() == "B is flatter (faint, everywhere)"
    assert not beside_reference(0.0, -0.05, "contrast", B).reasons().startswith("A is")
