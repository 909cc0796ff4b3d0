"""Trains opinion-unaware pMOS weights: `python -m experiments.pmos.train --config experiments/pmos/cpu.yaml`.

key=value (dots for sections) replaces single values of the file; `--resume never` starts anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.commands.config_file import read_config


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the path of the weights; exit code 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.pmos.train", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="replace single values of the file")
    parser.add_argument("--config", required=True, metavar="C", help="YAML file of the run")
    parser.add_argument("--resume", choices=("auto", "never"), default="auto", help="go on from the last checkpoint")
    options = parser.parse_args(arguments)
    try:
        settings = read_config(options.config, options.overrides)
        from relational_iqa.training.pmos.pretrain import parse_pmos_config, pretrain_pmos

        print(f"weights: {pretrain_pmos(parse_pmos_config(settings), options.resume).resolve()}")
    except (UsageError, ImageError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
