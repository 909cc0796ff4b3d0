"""How well verdicts without a reference carry over to algorithms that training never saw:
`python -m experiments.judgement.families --config experiments/judgement/cpu.yaml`.

For each family of algorithms in turn, the judgement is trained on ranked sets without any output of this family. Then
the new weights judge, on held-out photographs, the pairs of outputs of which this family made at least one. Truth: all
conventional metrics and the distances of the backbone's stages agree, as in the row of outputs of algorithms of
`experiments.pixel_perfect.evaluate`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

import relational_iqa
from distortion_engine.errors import UsageError
from distortion_engine.reading.photos import list_photos
from distortion_engine.recipe import RESTORATION_OUTPUTS
from distortion_engine.restoration.sampling import check_families
from experiments.evaluation import Log, Outcome, outcome_of_rows, positive, run_evaluation
from experiments.pixel_perfect.measures import Model, share
from experiments.pixel_perfect.real_outputs import measure_real_outputs
from experiments.pixel_perfect.table import Row
from relational_iqa.commands.config_file import read_config
from relational_iqa.training.data.training_sets import DataConfig
from relational_iqa.training.pixel_perfect.judgement_pretrain import (
    JudgementConfig,
    parse_judgement_config,
    pretrain_judgement,
)

FAMILIES = ("bm3d", "total_variation", "neural", "richardson_lucy")
MUST, AIM = 0.88, 0.93
SEED = 20760  # that of the outputs in the first run of the evaluation, so that both see the same photographs
SETS = 60


def left_out(config: JudgementConfig, family: str, out: Path) -> JudgementConfig:
    """The same run without any output of `family` in its ranked sets.

    Args:
        config: a run with all families.
        family: of algorithms.
        out: folder that gets a folder for this run.

    Raises:
        UsageError: for an unknown family, and where no source has outputs of algorithms.
    """
    check_families([family])
    sources = [replace(source, data=_without(source.data, family)) for source in config.sources]
    if sources == config.sources:
        raise UsageError(f"no source has sets of {RESTORATION_OUTPUTS}: nothing can be left out")
    return replace(config, sources=sources, name=f"without-{family}", out=str(out / family))


def _without(data: DataConfig, family: str) -> DataConfig:
    """The same sets without the family, where there can be any: a stored folder may be of any kind."""
    may_have_it = data.kinds.get(RESTORATION_OUTPUTS, 0) or (data.sets_folder and not data.kinds)
    if not may_have_it:
        return data
    return replace(data, without_families=[*(name for name in data.without_families if name != family), family])


def family_row(
    model: Model, photos: Sequence[Path], family: str, sets: int, trained_without: bool, log: Log = lambda text: None
) -> Row:
    """Share of right verdicts without a reference on pairs with an output of `family`.

    Args:
        model: answers.
        photos: held-out photographs.
        family: of algorithms.
        sets: damaged photographs that have an output of it.
        trained_without: whether the weights never saw the family, which is what something is required of.
        log: is told what was measured.
    """
    result = measure_real_outputs(model, photos, sets, seed=SEED, log=log, family=family)
    found = share(result.alone)
    samples = f"{found.answers} of {result.asked} pairs with an output of it, {found.groups} photographs"
    value, spread = (found.value, found.spread) if found.answers else (None, None)
    if not trained_without:
        return Row(f"weights {model.meta.get('name')}", value, samples, unit="share", spread=spread, part=True)
    name = f"outputs of algorithms, without reference: {family.replace('_', ' ')} left out of training"
    return Row(name, value, samples, MUST, "share", spread, aim=AIM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, prints the table and writes it; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    config = parse_judgement_config(read_config(str(options.config), options.overrides))
    runs = {family: left_out(config, family, options.out) for family in options.families.split(",")}
    photos = list_photos(options.photos, "held_out")
    beside = relational_iqa.load(options.beside) if options.beside else None
    rows: list[Row] = []
    weights: dict[str, str | None] = {}
    for family, run in runs.items():
        log(f"{family}: training without it in {run.out}")
        model = relational_iqa.load(pretrain_judgement(run))
        weights[family] = model.meta.get("sha256")
        with torch.inference_mode():
            rows.append(family_row(model, photos, family, options.sets, True, log))
            if beside is not None:
                rows.append(family_row(beside, photos, family, options.sets, False, log))
        log(f"{family}: {rows[-1].cells()[1]}")
    about = {"config": str(options.config), "weights": weights, "seed": SEED, "sets": options.sets}
    return outcome_of_rows(rows, about=about | {"photos": [photo.name for photo in photos]})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.judgement.families", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="run of the judgement with all families, YAML")
    parser.add_argument(
        "--families", default=",".join(FAMILIES), metavar="A,B,...", help="left out one after the other"
    )
    parser.add_argument("--sets", type=positive, default=SETS, metavar="N", help="damaged photographs for each family")
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"), help="folder of pristine photographs")
    parser.add_argument("--beside", metavar="WEIGHTS", help="also measure these, which were trained with all families")
    parser.add_argument("--out", type=Path, default=Path("out/families"), help="folder of runs, table and result")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="single values of the config")
    return parser


if __name__ == "__main__":
    sys.exit(main())
