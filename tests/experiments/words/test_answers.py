"""Answers as seen from the original: the reasons in the order told, regions, and who is blamed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.words.answers import Answer, Reason, answer
from experiments.words.places import Box
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map

SHAPE = (64, 96)


def area(value: float, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
    values = np.zeros(SHAPE, np.float32)
    values[rows, columns] = value
    return values


def comparison(margin: float, local: np.ndarray, **maps: np.ndarray) -> Comparison:
    given = {name: Map.from_array(values) for name, values in maps.items()}
    names = ("photo.png", "edit.png")
    return Comparison(margin, given, Map.from_array(local), Map.from_array(area(1)), True, names=names)


class Telling:
    """A comparison that tells what it is given."""

    faint = None
    findings = ()

    def __init__(self, told: list[dict[str, Any]], sentence: str = "", better: str = "a", **rest: Any) -> None:
        self.told = tuple(SimpleNamespace(**{"region": None, "against": False, **one}) for one in told)
        self.regions: tuple[Any, ...] = rest.get("regions", ())
        self.explained_share = rest.get("explained_share")
        self.better, self.margin, self.sentence = better, 1.5, sentence

    def summary(self) -> str:
        return self.sentence

    def to_json(self) -> dict[str, Any]:
        return {"told": [{"side": one.side, "word": one.word, "axis": one.axis} for one in self.told]}


def test_reasons_are_those_of_the_sentence_in_its_order():
    local = area(1.0)
    found = answer(comparison(1.0, local, noise=area(0.5), sharpness=area(-0.3), blocking=area(-0.4)), True)
    defects = "edit.png is noisier (strong, everywhere) and blurrier (moderate, everywhere)"
    assert found.sentence.endswith(f"{defects}, though the other is blockier (moderate, everywhere).")
    assert [(one.side, one.claim, one.against) for one in found.reasons] == [
        ("edited", "noise+", False), ("edited", "sharpness-", False), ("original", "blocking+", True),
    ]  # fmt: skip
    assert found.winner == "original" and found.margin == 1.0
    assert found.blamed == ("reasons: blockier", "axes.findings: blockier", "sentence: is blockier (moderate")


def test_where_nothing_explains_the_verdict_that_is_the_first_reason():
    found = answer(comparison(1.0, area(1.0)), True)
    assert "no known kind" in found.sentence
    assert [(one.side, one.axis, one.claim) for one in found.reasons] == [("edited", None, "")]
    assert found.explained == 0 and not found.regions and not found.blamed


def test_regions_and_the_share_that_reasons_hold_are_those_of_the_comparison():
    corner = slice(0, 16), slice(0, 16)
    lead = area(2.0, *corner) + area(1.0, slice(48, 64), slice(64, 80))
    found = answer(comparison(1.0, lead, impulse=area(0.8, *corner)), True)
    assert found.regions == ((Box(0, 0, 16, 16), "edited"), (Box(64, 48, 16, 16), "edited"))
    assert found.explained == pytest.approx(2 / 3, abs=0.02)


def test_a_faint_reason_is_told_too():
    found = answer(comparison(1.0, area(1.0), noise=area(0.05)), True)
    assert "noisier" in found.sentence and [one.claim for one in found.reasons] == ["noise+"]


def test_what_a_comparison_tells_itself_is_taken_as_it_is():
    region = SimpleNamespace(left=3, top=5, width=20, height=10, side="a")
    told = [
        {"side": "a", "axis": "noise", "word": "noisier", "region": region},
        {"side": "b", "axis": "sharpness", "word": "oversharpened", "against": True},
    ]
    found = answer(Telling(told, better="b", regions=(region,), explained_share=0.7), original_first=False)
    assert found.reasons == (
        Reason("edited", "noise", "noisier", Box(3, 5, 20, 10), True, False),
        Reason("original", "sharpness", "oversharpened", None, False, True),
    )
    assert [one.claim for one in found.reasons] == ["noise+", "sharpness+"]
    assert (found.winner, found.margin, found.explained) == ("original", -1.5, 0.7)
    assert found.regions == ((Box(3, 5, 20, 10), "edited"),) and found.blamed == ("told: oversharpened",)


@pytest.mark.parametrize(
    ("axis", "word", "claim"),
    [
        ("brightness", "darker", "brightness-"), ("color_cast", "warmer", "color_cast+"), ("tint", "greener", "tint+"),
        ("tint", "more magenta", "tint-"), ("haze", "hazier", "haze+"), ("haze", "odd", "haze?"),
        ("new", "odd", "new?"),
    ],
)  # fmt: skip
def test_a_word_is_a_claim_on_an_axis(axis: str, word: str, claim: str):
    assert Reason("edited", axis, word, None, False, False).claim == claim


@pytest.mark.parametrize(
    ("sentence", "blamed"),
    [
        ("photo.png is much better by 2.0 levels (over 99 % sure): edit.png is noisier (strong, everywhere).", ()),
        ("photo.png and edit.png look equally good (margin 0.02 levels, below 0.1).", ()),
        ("Cannot tell which of edit.png and photo.png is better (the first at 55 %, margin 0.02 levels).", ()),
        ("photo.png is better by 1.0 levels; no known kind of defect explains that; it is ahead on 38 % of the "
         "picture, mostly at the top, and behind on 3 %.", ()),
        ("photo.png is better by 1.0 levels; no known kind of defect explains that; it is ahead on 38 % of the "
         "picture, though flatter (faint, top).", ("is flatter (faint",)),
        ("photo.png is better by 1.0 levels; no known kind of defect explains that, and it is flatter (faint, top).",
         ("is flatter (faint",)),
        ("edit.png is better by 1.0 levels: edit.png is noisier in some places (strong) and photo.png in others "
         "(faint).",
         ("in others (faint)",)),
        ("edit.png is better by 1.0 levels: photo.png is blurrier at the top.", ("is blurrier at the top",)),
        ("photo.png is better by 1.0 levels: edit.png is darker, though the other is flatter.", ("is flatter",)),
        ("photo.png and edit.png look equally good: the second is darker; the first is flatter.", ("is flatter",)),
    ],
)  # fmt: skip
def test_the_sentence_blames_the_original_where_it_gives_it_a_defect(sentence: str, blamed: tuple[str, ...]):
    better = "tie" if "equally" in sentence else "a" if sentence.startswith("photo.png") else "b"
    assert answer(Telling([], sentence, better=better), True).blamed == tuple(f"sentence: {said}" for said in blamed)


def said(sentence: str, *reasons: Reason) -> Answer:
    return Answer("original", 1.0, sentence, reasons, (), None, ())


def test_a_sentence_is_empty_where_one_axis_is_said_of_both_without_a_place():
    here, there = (Reason(side, "noise", "noisier", None, False, False) for side in ("edited", "original"))
    placed = [Reason(one.side, "noise", "noisier", Box(0, 0, 9, 9), True, False) for one in (here, there)]
    assert said("", here, there).empty and said("", placed[0], there).empty
    assert not said("", *placed).empty and not said("", here).empty and not said("", here, here).empty
    assert said(
        "edit.png is noisier in some places at the top (strong) and photo.png in others (moderate)", *placed
    ).empty
    assert not said("", here, Reason("original", "haze", "hazier", None, False, False)).empty
