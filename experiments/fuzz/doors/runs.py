"""Training runs that are gone on with: damage to checkpoints, logs, cards, weights and rendered sets."""

from __future__ import annotations

import json
import random
from functools import cache

from experiments.fuzz import trees
from experiments.fuzz.door import PHOTOS, Case, Door
from experiments.fuzz.doors.inputs import damaged_bytes, made_by_riqa

_STAGE = {
    "steps": 2, "batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 1, "ema_decay": 0.9, "log_every": 1,
    "panel_every": 0, "accelerator": "cpu", "data_workers": 0, "checkpoint_every": 1,
}  # fmt: skip
_CONFIG = {
    "name": "tiny", "out": "made/run", "architecture": {"width": 16, "encoder_channels": 8},
    "data": {"sets": 4, "size_px": 32, "min_scale": 0.9, "workers": 0, "cache_dir": "made/cache"},
    "distortion": _STAGE, "scoring": _STAGE,
}  # fmt: skip
_COMMAND = ["pretrain", "--config", "c.yaml", f"data.photos={PHOTOS}"]
_DRAWN_AGAIN = ("contact_sheet.png", "events.out")  # pictures and logs that nothing reads


@cache
def whole_files() -> dict[str, bytes]:
    """A finished run of two steps a stage."""
    config = {"c.yaml": json.dumps(_CONFIG).encode()}
    made = made_by_riqa(_COMMAND, "made", config)
    return config | {name: data for name, data in made.items() if not any(each in name for each in _DRAWN_AGAIN)}


def _whole() -> Case:
    return Case("whole", whole_files(), _COMMAND)


def _make(rng: random.Random) -> Case:
    files = dict(whole_files())
    name = rng.choice([name for name in files if name != "c.yaml"])
    if rng.random() < 0.1:
        del files[name]
        kind = "loss"
    elif rng.random() < 0.1:
        files[name] = rng.choice((b"", b"\0", b"[]", b"{}", b"null\n", b"PK\3\4"))
        kind = f"{files[name]!r}"
    elif name.endswith(("json", "jsonl")) and rng.random() < 0.8:
        kind, files[name] = _json(rng, files[name], name.endswith("jsonl"))
    else:
        kind, files[name] = damaged_bytes(rng, files[name])
    if rng.random() < 0.2:
        files = {name: data for name, data in files.items() if not name.endswith("tiny.safetensors")}
    more = rng.choice(([], [], ["--resume", "never"], ["distortion.steps=3"], ["scoring.steps=3"]))
    return Case(f"{name}: {kind}", files, [*_COMMAND, *more])


def _json(rng: random.Random, data: bytes, lines: bool) -> tuple[str, bytes]:
    if not lines:
        kind, value = trees.damaged(rng, json.loads(data))
        return kind, json.dumps(value).encode()
    rows = data.splitlines()
    at = rng.randrange(len(rows))
    kind, value = trees.damaged(rng, json.loads(rows[at]))
    rows[at] = json.dumps(value).encode()
    return kind, b"\n".join(rows) + b"\n"


DOOR = Door("runs", _whole, _make, progress=("generating ", "distortion", "scoring"))
