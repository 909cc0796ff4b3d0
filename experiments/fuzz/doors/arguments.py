"""Words on the command line: hostile values for every option of the commands that end soon."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from experiments.fuzz.door import PHOTOS, Case, Door
from experiments.fuzz.doors import indexes
from experiments.fuzz.doors.inputs import IMAGES, images
from experiments.fuzz.doors.weights import TABLE

_SMALL = ["--weights", "riqa-small"]
_BASES: dict[str, list[str]] = {
    "compare": ["compare", *IMAGES, *_SMALL],
    "folders": ["compare", "one", "two", *_SMALL],
    "rank": ["rank", *IMAGES, "c.png", *_SMALL],
    "score": ["score", *IMAGES, "--reference", "c.png", *_SMALL],
    "score alone": ["score", *IMAGES],
    "explain": ["explain", *IMAGES, "--index", "index", *_SMALL],
    "evaluate": ["evaluate", "csv", "t.csv", "--metric", "psnr", "--bootstrap", "0"],
    "generate": ["generate", str(PHOTOS), "out", "--sets", "1", "--size", "32"],
    "index": ["index", str(PHOTOS), "out", "--sets", "1", "--size", "32", *_SMALL],
}
"""A command line that works -> what is changed in it."""
_VALUES = (
    "", " ", "-", "--", "-1", "0", "1", "2", "0.5", "1e999", "-1e999", "nan", "inf", "1_0", "\u0663", "9" * 30,
    "9" * 5000, "0x1f", "True", "null", "None", "[]", "{}", "[1,2]", "a.png", "b.png", "./a.png", "one", "one/..",
    "missing.png", "missing/deep/file", "/dev/null", "/dev/full", "/dev/zero", "/proc/self/mem", "\udcff.png",
    "a\nb.png", "\x1b[2J.png", "\u202egnp.a", "~", "*", "%s", "{0}", "x" * 300, "x" * 5000, "link", "loop", "t.csv",
    "w.safetensors", "cpu", "cuda", "mps", "meta", "cuda:99", "resize", "crop", "bfloat16", "float16",
    "!!python/none x", "@c", "$HOME", "a.png,b.png", "psnr,psnr", "=", "ours=", "=x", "psnr=a.png", ",", "c.yaml",
    "out.html", "out.png", "out.csv",
)  # fmt: skip
# Options whose large values ask for long work, or for many processes, by right.
_LONG = frozenset(
    {"sets", "size", "bootstrap", "splits", "workers", "partners", "sets_per_shard", "seed_count", "engine"}
)


@cache
def _options() -> dict[str, list[Any]]:
    from relational_iqa.cli import COMMANDS
    from relational_iqa.commands.options import options_of

    return {name: list(options_of(command.options)) for name, command in COMMANDS.items()}


def _files() -> dict[str, bytes]:
    a, b = images().values()
    return {
        **images(), "c.png": a + b"\0", "one/x.png": a, "two/x.png": b, "one/y.png": b, "t.csv": TABLE,
        "c.yaml": b"align: resize\n", "w.safetensors": b"\0" * 16, **indexes.whole_files(),
    }  # fmt: skip


def _whole() -> Case:
    return Case("whole", _files(), _BASES["rank"])


def _make(rng: random.Random) -> Case:
    words = list(_BASES[rng.choice(list(_BASES))])
    command = words[0]
    kinds = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if rng.random() < 0.25:
            at, value = rng.randrange(1, len(words)), rng.choice(_VALUES)
            before = words[at - 1].removeprefix("--").replace("-", "_")
            if before not in _LONG:
                words[at] = value
                kinds.append(f"{value[:20]!r} as word {at}")
            continue
        option = rng.choice(_options()[command])
        value = rng.choice(option.choices or _VALUES) if rng.random() < 0.2 else rng.choice(_VALUES)
        if option.name in _LONG:
            value = rng.choice(("", "-1", "0", "nan", "x", "1e3", "9" * 5000, "None"))
        flag = rng.choice(option.flags or ("",))
        if not flag:
            words.append(value)
        elif option.is_switch:
            words.append(rng.choice((flag, f"{flag}={value}")))
        else:
            words += rng.choice(([flag, value], [f"{flag}={value}"], [flag]))
        kinds.append(f"{flag} {value[:20]!r}")
    return Case(f"{command}: {', '.join(kinds)}", _files(), words)


DOOR = Door(
    "arguments", _whole, _make, ends=frozenset({0, 1, 2}), progress=("failed: ",)
)  # 1: the margin is below --fail-below
