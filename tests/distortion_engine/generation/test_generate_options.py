"""Options of riqa generate: refused by name and value where they make no sense, compared in words."""

import pytest

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import differences
from distortion_engine.generation.workers import Workforce


def test_ties_are_not_drawn_from_distortions_that_have_no_seed():
    assert not DISTORTIONS["jpeg"].seeded and DISTORTIONS["white_noise"].seeded
    assert "tie" not in GenerateOptions(1, distortions=("jpeg",)).sampling().kinds
    assert "tie" in GenerateOptions(1, distortions=("jpeg", "white_noise")).sampling().kinds


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"sets": 0}, "sets 0"),
        ({"size_px": 15}, "size_px 15"),
        ({"seed": -1}, "seed -1"),
        ({"seed": "7"}, "seed '7'"),
        ({"seed": 1.5}, "seed 1.5"),
        ({"sets_per_shard": 0}, "sets_per_shard 0"),
        ({"split": "half"}, "all, train, held_out"),
        ({"image_format": "jpg"}, "png, webp, npy"),
        ({"image_format": "npy", "size_px": 50}, "size_px 50: expected a multiple of 4"),
        ({"min_scale": 0}, "min_scale 0"),
        ({"min_scale": 1.1}, "min_scale 1.1"),
        ({"mask_share": -0.1}, "mask_share -0.1"),
        ({"kinds": {"ladders": 1.0}}, "kinds: ladders: 1.0 is not valid; expected 0 or more for some of ladder"),
        ({"kinds": {"ladder": -0.1}}, "kinds: ladder: -0.1"),
        ({"kinds": {"ladder": float("nan")}}, "kinds: ladder: nan"),
        ({"kinds": {"ladder": 0.0}}, "all weights are 0"),
        ({"distortions": ("jpg",)}, "'jpg' is unknown; did you mean jpeg"),
        ({"distortions": ("qqq",)}, f"expected some of {next(iter(DISTORTIONS))}"),
        ({"distortions": ("jpeg", "jpeg")}, "given twice"),
    ],
)
def test_options_out_of_range_are_refused_with_their_value(option: dict, said: str):
    with pytest.raises(UsageError) as caught:
        GenerateOptions(**{"sets": 1, **option})
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"workers": -1}, "workers -1"),
        ({"kind": "spark"}, "engine 'spark': expected one of local, ray"),
        ({"address": "auto"}, "--engine ray"),
    ],
)
def test_a_workforce_that_cannot_be_is_refused(option: dict, said: str):
    with pytest.raises(UsageError, match=said):
        Workforce(**option)


def test_two_headers_differ_in_words_that_name_option_and_photographs():
    one = {"engine": "1", "options": {"seed": 1, "distortions": []}, "photos": [{"name": "a", "sha256": "0"}]}
    other = {"engine": "1", "options": {"seed": 2, "distortions": ["jpeg"]}, "photos": [{"name": "b", "sha256": "0"}]}
    assert differences(one, one) == []
    assert differences(one, other) == [
        "seed 1 there, 2 asked for",
        "distortions all there, jpeg asked for",
        "1 photographs new (b)",
        "1 photographs missing or no longer usable (a)",
    ]
    assert differences(one, {**one, "photos": [{"name": "a", "sha256": "1"}]}) == ["1 photographs changed (a)"]
