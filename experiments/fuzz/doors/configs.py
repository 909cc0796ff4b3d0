"""YAML files of options: of a comparison, and of training runs, whose photographs are not there."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import yaml

from experiments.fuzz import trees
from experiments.fuzz.door import ROOT, Case, Door
from experiments.fuzz.doors.inputs import IMAGES, damaged_bytes, images

OPTIONS: dict[str, Any] = {
    "fail_below": -9.5, "weights": "riqa-small", "align": "resize", "max_pixels": 5000, "json": "out.json",
    "out": "report.html", "precision": "float32", "device": "cpu",
}  # fmt: skip
_TRAINING = (
    "pixel_perfect/smoke.yaml", "pmos/smoke.yaml", "pmos/fit_mos.yaml", "reiqa/smoke.yaml", "spips/smoke.yaml",
    "judgement/smoke.yaml",
)  # fmt: skip
_COMMANDS = ("pretrain", "pretrain", "pretrain", "fit-mos", "fit-reiqa", "fit-spips")
_OVERRIDES = ("train.steps=", "train.steps=[", "x=1", "=1", "train=1", "train.steps.x=1", "data.sets=1e9",
              "seed=" + "9" * 5000, "train.steps=!!python/object/apply:os.system [id]", "a.b.c.d.e=1", "out=\udcff",
              "train.steps=" + "[" * 20000, "train.device=cuda", "data.photos=/dev/null")  # fmt: skip
_TEXTS = (
    "[" * 20000, "{a: " * 20000, "a: &a [*a]", "a: &a {b: *a}", "<<: *x", "? [a]\n: b", "a: 0x" + "f" * 5000,
    "a: " + "9" * 5000, "a: 2001-99-99", "a: 1:99:99", "a: !!binary x", "!!python/object/apply:os.system [id]",
    "a: !!set {b}", "a: \x07", "\0", "%YAML 9.9\n---\n", "--- a\n--- b", "a: |\n" + " x\n" * 1000, "a: b: c",
    "\ta: 1", "- 1\n- 2", "1", "null", "~", "a: .nan", "a: &x 1\nb: *x",
    "".join(f"{chr(97 + n)}: &{chr(97 + n)} [{', '.join(['*' + chr(96 + n)] * 9) if n else 'x'}]\n" for n in range(9)),
    "\ufeffa: 1", "a: 1\r\nb: 2\r\n", "\ud83d".encode("utf-16", "surrogatepass").decode("latin-1"),
)  # fmt: skip


@cache
def training() -> list[dict[str, Any]]:
    """The configs of training runs, without their photographs."""
    found = []
    for name in _TRAINING:
        path = ROOT / "experiments" / name
        if path.is_file():
            text = path.read_text().replace("tests/images", "nowhere").replace("out: runs/", "out: ")
            found.append(yaml.safe_load(text))
    return found


def _whole() -> Case:
    return Case("whole", {**images(), "c.yaml": yaml.safe_dump(OPTIONS).encode()}, _compare())


def _compare() -> list[str]:
    return ["compare", *IMAGES, "--config", "c.yaml"]


def _make(rng: random.Random) -> Case:
    trains = rng.random() < 0.6
    config = rng.choice(training()) if trains else OPTIONS
    kind, content = rng.choices((_tree, _text, _bytes), (6, 2, 2))[0](rng, config)
    if not trains:
        return Case(f"options: {kind}", {**images(), "c.yaml": content}, _compare())
    overrides = [rng.choice(_OVERRIDES)] if rng.random() < 0.15 else []
    return Case(
        f"training: {kind} {overrides}"[:300],
        {"c.yaml": content},
        [rng.choice(_COMMANDS), "--config", "c.yaml", *overrides],
    )


def _tree(rng: random.Random, config: dict[str, Any]) -> tuple[str, bytes]:
    kind, value = trees.damaged(rng, config)
    try:
        text = yaml.safe_dump(value, allow_unicode=True)
    except RecursionError:
        text = json.dumps(value)  # which is YAML too
    return kind, text.encode("utf-8", "surrogatepass")


def _text(rng: random.Random, config: dict[str, Any]) -> tuple[str, bytes]:
    text, hostile = yaml.safe_dump(config), rng.choice(_TEXTS)
    whole = rng.random() < 0.4
    return repr(hostile[:30]), (hostile if whole else text + hostile + "\n").encode("utf-8", "surrogatepass")


def _bytes(rng: random.Random, config: dict[str, Any]) -> tuple[str, bytes]:
    return damaged_bytes(rng, yaml.safe_dump(config).encode())


DOOR = Door("configs", _whole, _make, ends=frozenset({0, 1, 2}))  # 1: the margin is below the option fail_below
