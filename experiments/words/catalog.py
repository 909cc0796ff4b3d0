"""All edits, those that nobody sees last."""

from __future__ import annotations

from experiments.words.local import DAMAGED, PHOTOGRAPHED
from experiments.words.manipulation import Manipulation
from experiments.words.neutral import NEUTRAL
from experiments.words.tone_and_colour import COLOUR, TONE
from experiments.words.whole_image import BLUR_AND_NOISE, CODECS, RESAMPLING

WHOLE: tuple[Manipulation, ...] = (*BLUR_AND_NOISE, *CODECS, *RESAMPLING, *TONE, *COLOUR)
LOCAL: tuple[Manipulation, ...] = (*PHOTOGRAPHED, *DAMAGED)
MANIPULATIONS: dict[str, Manipulation] = {one.name: one for one in (*WHOLE, *LOCAL, *NEUTRAL)}
