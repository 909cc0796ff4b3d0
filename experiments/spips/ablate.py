"""SPIPS without one of its streams, each variant trained anew for the same time: `python -m experiments.spips.ablate`.

Switching a stream off in weights that were trained with it would only show that they rely on it. The whole system is
trained again too, for that shorter time, so that the rows of the table can be compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.networks.error_maps import CONVENTIONAL
from relational_iqa.networks.spips import STREAMS
from relational_iqa.training.spips_fit import SpipsConfig, fit, parse_config

WITHOUT: dict[str, tuple[str, ...]] = {
    "all-streams": (),
    "without-semantic": ("semantic",),
    "without-perceptual": ("perceptual",),
    "without-conventional": CONVENTIONAL,
}


def variants(config: SpipsConfig, out: Path, seconds: float | None) -> dict[str, SpipsConfig]:
    """The config with fewer streams each, for `seconds` of training (None: as the config says), in folders of `out`."""
    limits = {} if seconds is None else {"max_seconds": seconds}
    return {
        name: replace(
            config,
            name=name,
            out=str(out / name),
            train=replace(config.train, **limits),
            architecture=replace(
                config.architecture, streams=tuple(stream for stream in STREAMS if stream not in without)
            ),
        )
        for name, without in WITHOUT.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains the variants that are not there yet and puts their weights into one folder; exit code 0, or 2."""
    parser = argparse.ArgumentParser(prog="python -m experiments.spips.ablate", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("experiments/spips/cpu.yaml"))
    parser.add_argument("--seconds", type=float, default=180.0, help="of training for each variant")
    parser.add_argument("--out", type=Path, default=Path("runs/spips-ablation"))
    options = parser.parse_args(arguments)
    try:
        settings = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        for name, config in variants(parse_config(settings), options.out, options.seconds).items():
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
