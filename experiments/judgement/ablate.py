"""What backbone, stages, ranked sets and heads of the judgement are worth: `python -m experiments.judgement.ablate
--config experiments/judgement/ablation.yaml`.

Each variant is the whole run of `riqa pretrain` with one change, much shorter than that of shipped weights, and is
measured on held-out photographs without human scores. A full training is better; the differences count.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import relational_iqa
from distortion_engine.errors import UsageError
from distortion_engine.reading.photos import list_photos
from experiments.evaluation import Log, Outcome, positive, run_evaluation
from experiments.pixel_perfect.measures import Model
from experiments.pixel_perfect.order import measure_order, order_rows
from experiments.pixel_perfect.real_outputs import measure_real_outputs, real_output_rows
from experiments.pixel_perfect.table import Row
from relational_iqa.commands.config_file import read_config
from relational_iqa.training.data.judge import metric_judge
from relational_iqa.training.pixel_perfect.judgement_pretrain import (
    JudgementConfig,
    parse_judgement_config,
    pretrain_judgement,
)

SEED, OUTPUTS_SEED = 20260, 20760  # those of the first run of the evaluation, so that all see the same photographs
CROP_PX = 192
DROP_SOURCES = "drop_sources"


def variant_config(run: Mapping[str, Any], name: str, change: Mapping[str, Any]) -> JudgementConfig:
    """The run with one change.

    Args:
        run: plain data of a `JudgementConfig`.
        name: of the variant; its folder is below `out` of the run.
        change: values that replace those of the run, in sections of the same names; `drop_sources` lists numbers of
            sources that are left out.

    Raises:
        UsageError: for a key that the run does not have, and for a number of no source.
    """
    values = copy.deepcopy(dict(run))
    change = dict(change)
    dropped = change.pop(DROP_SOURCES, [])
    if not set(dropped) < set(range(len(values["sources"]))):
        raise UsageError(f"{name}: drop_sources is {dropped}, the run has {len(values['sources'])} sources")
    values["sources"] = [source for number, source in enumerate(values["sources"]) if number not in dropped]
    _replace(values, change, name)
    slug = "".join(character if character.isalnum() else "-" for character in name)
    return parse_judgement_config({**values, "name": slug, "out": str(Path(values["out"]) / slug)})


def _replace(values: dict[str, Any], change: Mapping[str, Any], name: str) -> None:
    for key, value in change.items():
        if key not in values:
            raise UsageError(f"{name}: the run has no {key!r} that could be changed; it has {', '.join(values)}")
        if isinstance(value, Mapping):
            _replace(values[key], value, name)
        else:
            values[key] = value


def measure(model: Model, photos: Sequence[Path], output_sets: int, sets: int, log: Log) -> list[Row]:
    """The rows that something is asked of, on outputs of algorithms and on the order of the engine's own kinds."""
    with torch.inference_mode():
        outputs = measure_real_outputs(model, photos, output_sets, seed=OUTPUTS_SEED, log=log)
        order = measure_order(model, photos, metric_judge, sets, CROP_PX, SEED, log)
    return [row for row in (*real_output_rows(outputs), *order_rows(order)) if row.asked]


def markdown(rows: Mapping[str, Sequence[Row]]) -> str:
    """A table of variants by row."""
    heads = [row.name for row in next(iter(rows.values()))]
    lines = [f"| judgement | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    lines += [f"| {name} | {' | '.join(row.cells()[1] for row in listed)} |" for name, listed in rows.items()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, prints the table and writes it; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    settings = read_config(str(options.config), options.overrides)
    if set(settings) != {"run", "variants"}:
        raise UsageError(f"{options.config}: has {', '.join(settings)}; expected run and variants")
    wanted = options.variants.split(";") if options.variants else list(settings["variants"])
    unknown = [name for name in wanted if name not in settings["variants"]]
    if unknown:
        raise UsageError(f"variant {unknown[0]!r} is unknown; expected some of {'; '.join(settings['variants'])}")
    configs = {name: variant_config(settings["run"], name, settings["variants"][name]) for name in wanted}
    photos = list_photos(options.photos, "held_out")
    rows: dict[str, list[Row]] = {}
    for name, config in configs.items():
        log(f"{name}: training in {config.out}")
        rows[name] = measure(
            relational_iqa.load(pretrain_judgement(config)), photos, options.outputs, options.sets, log
        )
        log(f"{name}: {', '.join(row.cells()[1] for row in rows[name])}")
    plain = {name: [row.to_json() for row in listed] for name, listed in rows.items()}
    return Outcome(markdown(rows), {"config": settings, "rows": plain, "photos": [photo.name for photo in photos]})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.judgement.ablate", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML: a run, and changes by name of a variant")
    parser.add_argument("--variants", default="", metavar="A;B;...", help="names of some variants; default: all")
    parser.add_argument("--outputs", type=positive, default=40, metavar="N", help="photographs with outputs")
    parser.add_argument("--sets", type=positive, default=10, metavar="N", help="ranked sets of each other kind")
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"), help="folder of pristine photographs")
    parser.add_argument("--out", type=Path, default=Path("out/judgement-ablation"), help="folder of table and result")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="single values, for example run.heads.steps=9"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
