"""A model with known answers gives known rows: one that is right about everything, one that is wrong, one that is
silent."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.pixel_perfect.table import Row
from experiments.words.answers import Reason
from experiments.words.catalog import MANIPULATIONS
from experiments.words.listing import page_of_sentences, picture, table_of_pairs, write_pictures
from experiments.words.measurement import Case, ask, is_true, measure
from experiments.words.rows import truth_rows

RIGHT = ("original", [("edited", "local_damage", "more damaged")])
CHOSEN = [MANIPULATIONS[name] for name in ("black block of 32 px", "magenta block of 24 px", "identical", "gamma 0.6")]
BLOCKS = CHOSEN[:2]
SILENT: tuple[str, list[tuple[str, str | None, str]]] = ("tie", [])


def values(
    cases: list[Case], by_name: Callable[[list[Row]], dict[str, Row]], left_out: int = 0
) -> dict[str, float | None]:
    return {name: row.value for name, row in by_name(truth_rows(cases, left_out)).items()}


def measured(model, photos: list[Path], chosen=CHOSEN) -> list[Case]:
    return measure(model, photos, chosen, 2, 96, 3)[0]


def test_a_model_that_is_right_has_full_rows(speaker, photo_paths: list[Path], by_name):
    def say(with_reference: bool, different: bool):
        return RIGHT if different else SILENT

    model = speaker(say)
    cases = measured(model, photo_paths, [*BLOCKS, MANIPULATIONS["identical"]])
    found = values(cases, by_name)
    for name in ("winner, with reference", "winner, without reference", "first reason, with reference",
                 "first reason, without reference", "nothing to see: no verdict and no reason, with reference",
                 "nothing to see: no verdict and no reason, without reference"):  # fmt: skip
        assert found[name] == 1, name
    assert found["reference given a defect, in sentence or JSON"] == 0 == found["empty sentences, with reference"]
    assert found["share of the margin that is named, median, with reference"] == 0.9
    assert found["place of local edits, with reference"] == 0  # it names no region
    assert len(cases) == 6 and not cases[-1].failures
    orders = [names for names, with_reference in model.asked if with_reference]
    assert orders.count(("photo.png", "edit.png")) == orders.count(("edit.png", "photo.png")) == 6


def test_a_model_that_prefers_and_blames_the_wrong_image_has_empty_rows(speaker, photo_paths: list[Path], by_name):
    model = speaker(lambda with_reference, different: ("edited", [("original", "noise", "noisier")]))
    cases = measured(model, photo_paths)
    found = values(cases, by_name)
    for name in ("winner, with reference", "winner, without reference", "first reason, with reference",
                 "first reason, without reference", "nothing to see: no verdict and no reason, without reference",
                 ):  # fmt: skip
        assert found[name] == 0, name
    assert found["reference given a defect, in sentence or JSON"] == 1
    assert found["a defect of the original"] == 1
    assert found["in the sentence"] == 0  # which calls it "original", not by its name
    assert set(cases[0].failures) >= {"reference blamed", "winner (with reference)", "first reason (without reference)"}


def test_a_silent_model_is_quiet_and_no_winner_of_it_is_right(speaker, photo_paths: list[Path], by_name):
    cases = measured(speaker(lambda with_reference, different: SILENT, explained=None), photo_paths)
    found = values(cases, by_name)
    assert found["winner, with reference"] == 0 and found["tie, or cannot tell"] == 1
    assert found["first reason, with reference"] is None  # nobody was called better
    assert found["nothing to see: no verdict and no reason, with reference"] == 1
    assert found["share of the margin that is named, median, with reference"] is None


def test_taste_is_not_asked_about_without_a_reference(speaker, photo_paths: list[Path]):
    model = speaker(lambda with_reference, different: ("edited", [("original", "contrast", "harsher")]))
    (case, *_) = measured(model, photo_paths, [MANIPULATIONS["gamma 0.6"]])
    assert case.given.winner_right is False and case.alone.winner_right is None
    assert case.given.reason_right is False and case.alone.reason_right is True


def test_a_named_region_at_the_box_finds_it(speaker, photo_paths: list[Path]):
    block = MANIPULATIONS["black block of 32 px"]
    pixels = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    edit = block.edit(pixels, 3, 0)
    assert edit.box is not None
    box = edit.box
    for region, how in (
        ((box.left, box.top, 32, 32), "overlap"),
        (((box.left + 48) % 96, (box.top + 48) % 96, 4, 4), ""),
    ):
        case = ask(speaker(lambda given, different: RIGHT, region=region), block, edit, "photo")
        assert (case.given.place_found, case.alone.first_found) == (how, how)
        assert ("place (with reference)" in case.failures) == (how == "")


@pytest.mark.parametrize(
    ("side", "axis", "word", "alone", "given"),
    [
        ("edited", "contrast", "flatter", True, True),
        ("edited", "contrast", "harsher", False, False),
        ("original", "contrast", "harsher", True, False),
        ("original", "contrast", "flatter", False, False),
        ("edited", "haze", "hazier", True, True),
        ("original", "haze", "clearer", False, False),
        ("original", "sharpness", "oversharpened", False, False),
        ("edited", None, "", False, False),
        ("original", None, "", False, False),
    ],
)
def test_a_reason_is_true_of_the_edit_or_turned_round_of_the_original(side, axis, word: str, alone: bool, given: bool):
    truths = frozenset({"contrast-", "haze+", "sharpness-"})
    reason = Reason(side, axis, word, None, False, False)
    assert is_true(reason, truths, with_reference=False) == alone
    assert is_true(reason, truths, with_reference=True) == given


def test_edits_with_nothing_to_see_in_them_are_left_out_and_counted(speaker, tmp_path: Path):
    from PIL import Image

    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    model = speaker(lambda with_reference, different: SILENT)
    chosen = [MANIPULATIONS["grey"], MANIPULATIONS["gamma 0.6"], MANIPULATIONS["identical"]]
    cases, left_out = measure(model, [tmp_path / "grey.png"], chosen, 4, 64, 0)
    assert left_out == 1 and [case.manipulation.name for case in cases] == ["gamma 0.6", "identical"]
    assert "1 edits left out" in truth_rows(cases, left_out)[0].note


def test_the_lists_have_every_sentence_and_the_pictures_every_failure(speaker, photo_paths: list[Path], tmp_path: Path):
    cases = measured(speaker(lambda given, different: RIGHT if different else SILENT, region=(0, 0, 9, 9)), photo_paths)
    lines = table_of_pairs(cases).splitlines()
    assert len(lines) == 1 + 2 * len(cases) and lines[0].startswith("manipulation,expected,")
    page = page_of_sentences(cases)
    assert all(f"| {one.name} |" in page for one in CHOSEN) and "original wins: edited is more damaged" in page
    assert page.index("| gamma 0.6 |") < page.index("| identical |")  # the worst first
    failed = [case for case in cases if case.failures]
    assert len(write_pictures(cases, tmp_path)) == len(failed) == len(list(tmp_path.iterdir())) > 0
    drawn = picture(failed[0])
    assert drawn.shape == (96, 4 * 96 + 3 * 8, 3)
    assert np.array_equal(drawn[:, :96], failed[0].edit.original)
    deep = replace(failed[0], edit=MANIPULATIONS["16 bits rounded to 8"].edit(failed[0].edit.original, 0, 0))
    assert picture(deep).dtype == np.uint8
