"""SPIPS without one of its streams, each variant trained anew for as many steps: `python -m experiments.spips.ablate`.

Switching a stream off in weights that were trained with it would only show that they rely on it. The whole system is
trained again too, for as few steps, so that the rows of the table can be compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import yaml

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.networks.error_maps import CONVENTIONAL
from relational_iqa.networks.spips import SpipsArchitecture
from relational_iqa.networks.spips_quality import STREAMS
from relational_iqa.networks.spips_stages import StageSpipsArchitecture
from relational_iqa.training.spips.fit import SpipsConfig, fit, parse_config

WITHOUT: dict[str, tuple[str, ...]] = {
    "all-streams": (),
    "without-semantic": ("semantic",),
    "without-perceptual": ("perceptual",),
    "without-conventional": CONVENTIONAL,
}


def variants(config: SpipsConfig, out: Path, steps: int | None) -> dict[str, SpipsConfig]:
    """Configs of the variants by name: with fewer streams, and with fusion weights from the other source.

    Args:
        config: of the whole system.
        out: folder; each variant has one in it.
        steps: of each variant, without a limit of time, so that the load of the machine does not matter; None for
            what the config says.
    """
    limits = {} if steps is None else {"steps": steps, "max_seconds": None}
    train = replace(config.train, **limits)
    whole: SpipsArchitecture | StageSpipsArchitecture = config.stages or config.architecture
    other: Literal["pair", "reference"] = "pair" if whole.shares_from == "reference" else "reference"
    designs = {
        name: replace(whole, streams=tuple(stream for stream in STREAMS if stream not in without))
        for name, without in WITHOUT.items()
    } | {f"shares-from-{other}": replace(whole, shares_from=other)}
    return {
        name: _with_design(replace(config, name=name, out=str(out / name), train=train), design)
        for name, design in designs.items()
    }


def _with_design(config: SpipsConfig, design: SpipsArchitecture | StageSpipsArchitecture) -> SpipsConfig:
    if isinstance(design, StageSpipsArchitecture):
        return replace(config, stages=design)
    return replace(config, architecture=design)


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains the variants that are not there yet and puts their weights into one folder; exit code 0, or 2."""
    parser = argparse.ArgumentParser(prog="python -m experiments.spips.ablate", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("experiments/spips/cpu.yaml"))
    parser.add_argument("--steps", type=int, default=400, help="of training for each variant")
    parser.add_argument("--out", type=Path, default=Path("runs/spips-ablation"))
    options = parser.parse_args(arguments)
    try:
        settings = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        for name, config in variants(parse_config(settings), options.out, options.steps).items():
            done = options.out / f"{name}.safetensors"
            if not done.exists():
                fit(config).replace(done)
            print(f"{name}: {done}", file=sys.stderr)
    except (UsageError, ImageError, OSError) as error:
        print(f"ablate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
