"""What the two encoders of Re-IQA have learned: `python -m experiments.reiqa.evaluate [--weights W] [--rated DATA]`.

On held-out photographs, by exact FAISS search: the share of nearest neighbours that share the distortion type (never of
the same photograph) and the share that shows the same photograph (never the same region), trained and untrained, beside
chance. With `--rated`: a linear probe over ten splits by scene, untrained, quality only, content only, both. Of experts
on a backbone, the rows "stages alone" are without what was trained here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.reading.photos import list_photos
from experiments.evaluation import Log, Outcome, evaluation_parser, positive, run_evaluation
from experiments.reiqa.neighbours import Items, directions_of, features_of, make_items, share_and_chance
from relational_iqa.networks.backbone import EfficientNetLite, random_weights
from relational_iqa.networks.moment_encoder import MomentEncoder
from relational_iqa.networks.reiqa import Encoder, ReIQAEncoders, encoder_size
from relational_iqa.networks.resnet import ResNet
from relational_iqa.systems import reiqa
from relational_iqa.systems.reiqa import EXPERTS, ReIQA

SEED = 20261
# One of each family, so that "the same type" is a question with one answer: three interpolations look alike.
TYPES = (
    "gaussian_blur", "motion_blur", "sharpen", "pixelate", "white_noise", "chroma_noise", "impulse_noise", "denoise",
    "jpeg", "jpeg2000", "brighten", "darken", "contrast_up", "contrast_down", "saturate", "desaturate",
    "white_balance_warm", "white_balance_cool", "color_diffusion", "chroma_shift", "quantize", "jitter",
    "color_blocks", "haze",
)  # fmt: skip


def untrained(like: ReIQA, images: torch.Tensor, seed: int = SEED) -> ReIQA:
    """The same networks with random weights.

    Batch statistics of a ResNet are those of initialisation: mean 0, spread 1. A backbone without batch statistics, and
    the head on it, are scaled on `images` (B, 3, H, W) in [0, 1].
    """
    torch.manual_seed(seed)
    backbones: dict[int, EfficientNetLite] = {}

    def random_like(encoder: Encoder) -> ResNet | MomentEncoder:
        if not isinstance(encoder, MomentEncoder):
            return ResNet(*asdict(encoder_size(encoder)).values())
        if id(encoder.backbone) not in backbones:
            backbone = EfficientNetLite(encoder.backbone.architecture)
            random_weights(backbone, images, seed)
            backbones[id(encoder.backbone)] = backbone
        found = MomentEncoder(backbones[id(encoder.backbone)], encoder.size).eval()
        with torch.inference_mode():
            moments = found.moments(images)
            found.head.calibrate(*moments.chunk(2))  # pairs of nothing in common
        return found

    encoders = ReIQAEncoders(random_like(like.encoders.quality), random_like(like.encoders.content))
    return ReIQA(encoders.to(like.device), {"name": "untrained", "sha256": None})


def spaces_of(model: ReIQA, features: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Features (N, D) of both experts -> by name what is measured of them, by expert.

    "embedding" is what the contrast trained. Of experts on the stages of a backbone, "stages" are the moments of these
    stages, before any training here, and "all" is both.
    """
    quality = 2 * model.encoders.quality.features
    found: dict[str, dict[str, np.ndarray]] = {"embedding": {}, "stages": {}, "all": {}}
    for name, part in (("quality", features[:, :quality]), ("content", features[:, quality:])):
        columns = model.embedding_columns(name)
        rest = np.setdiff1d(np.arange(part.shape[1]), columns)
        found["embedding"][name], found["all"][name] = part[:, columns], part
        if len(rest):
            found["stages"][name] = part[:, rest]
    return found if len(found["stages"]) == 2 else {"embedding": found["embedding"]}


def neighbour_rows(models: Sequence[tuple[str, ReIQA]], items: Items) -> list[dict[str, Any]]:
    """One row a model and expert: shares with their chance and standard error. Of a trained model on a backbone, the
    stages of the backbone alone have rows, too."""
    rows = []
    for name, model in models:
        spaces = spaces_of(model, features_of(model, items))
        measured = [(name, spaces["embedding"])]
        if "stages" in spaces and model.meta.get("sha256"):
            measured.insert(0, ("stages alone", spaces["stages"]))
        for what, space in measured:
            rows += [_neighbour_row(what, expert, space[expert], items) for expert in EXPERTS[1:]]
    return rows


def _neighbour_row(name: str, expert: str, features: np.ndarray, items: Items) -> dict[str, Any]:
    row: dict[str, Any] = {"encoders": name, "space": expert}
    questions = {
        "type": (items.type, items.photo),
        "axis": (items.axis, items.photo),
        "photograph": (items.photo, items.region),
    }
    directions = directions_of(features)
    for what, (label, excluded) in questions.items():
        share, chance, error = share_and_chance(directions, label, excluded, items.photo)
        row[what] = {"share": share, "chance": chance, "standard_error": error}
    return row


def probe_rows(models: Sequence[tuple[str, ReIQA]], rated: Path, log: Log) -> list[dict[str, Any]]:
    """The linear probe on a rated set: SRCC and PLCC over ten splits by scene, for every choice of features."""
    from relational_iqa.benchmarks.readers.rated import read_rated
    from relational_iqa.benchmarks.regression import ridge
    from relational_iqa.benchmarks.splits import cross_validate
    from relational_iqa.systems.reiqa import features_of_files

    images = read_rated(rated)
    files = [image.image for image in images]
    scores = np.array([image.score for image in images])
    groups = [image.scene or (str(image.reference) if image.reference else "") for image in images]
    rows = []
    for name, model in models:
        log(f"features of {len(files)} images, {name}")
        spaces = spaces_of(model, features_of_files(model, files))
        measured = [(name, spaces.get("all", spaces["embedding"]))]
        if "stages" in spaces and model.meta.get("sha256"):
            measured.insert(0, ("stages alone", spaces["stages"]))
        for what, space in measured:
            for part, features in (*space.items(), ("both", np.concatenate(list(space.values()), 1))):
                agreement = cross_validate(ridge(features, scores), scores, groups)
                row = {"srcc": tuple(agreement.values("srcc")), "plcc": tuple(agreement.values("plcc_raw"))}
                medians = {"median_srcc": agreement.median("srcc"), "median_plcc": agreement.median("plcc_raw")}
                rows.append({"encoders": what, "features": part, **row, **medians})
    return rows


def neighbour_table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: shares of nearest neighbours."""
    lines = [
        "| encoders | space | same type, other photograph | same axis, other photograph | same photo, other region |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        cells = [
            f"{100 * row[what]['share']:.1f} % ± {196 * row[what]['standard_error']:.1f} "
            f"(chance {100 * row[what]['chance']:.1f} %)"
            for what in ("type", "axis", "photograph")
        ]
        lines.append(f"| {row['encoders']} | {row['space']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def probe_table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: the linear probe."""
    lines = ["| encoders | features | SRCC, median of ten splits | SRCC, range | PLCC, median |",
             "| --- | --- | ---: | ---: | ---: |"]  # fmt: skip
    for row in rows:
        span = f"{min(row['srcc']):.3f} to {max(row['srcc']):.3f}"
        lines.append(
            f"| {row['encoders']} | {row['features']} | {row['median_srcc']:.3f} | {span} | {row['median_plcc']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables and writes them; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    model = reiqa.load(options.weights)
    photos = list_photos(options.photos, options.split)[: options.max_photos]
    log(f"{len(photos)} photographs, {len(TYPES)} types, encoders {model.meta['name']}")
    items = make_items(photos, TYPES, options.region_px, SEED)
    models = [] if options.trained_only else [("untrained", untrained(model, _some_of(items)))]
    models.append(("trained", model))
    rows = neighbour_rows(models, items)
    table = neighbour_table(rows)
    result: dict[str, Any] = {
        "about": {
            "encoders": {key: model.meta.get(key) for key in ("name", "sha256")},
            "items": len(items.photo), "photographs": len(set(items.photo.tolist())),
            "types": list(TYPES), "axes": sorted({DISTORTIONS[name].axis for name in TYPES}),
            "region_px": options.region_px, "seed": SEED,
        },
        "neighbours": rows,
    }  # fmt: skip
    if options.rated is not None:
        result["probe"] = probe_rows(models, options.rated, log)
        table += "\n" + probe_table(result["probe"])
    return Outcome(table, result)


def _some_of(items: Items) -> torch.Tensor:
    """64 of the items, evenly over all, (B, 3, R, R) in [0, 1]: untrained networks are scaled on them."""
    chosen = np.linspace(0, len(items.images) - 1, min(64, len(items.images))).astype(int)
    return items.images[chosen].float() / 255


def _parser() -> argparse.ArgumentParser:
    parser = evaluation_parser("reiqa", (__doc__ or "").split("\n\n")[0])
    parser.add_argument("--split", choices=("held_out", "train", "all"), default="held_out")
    parser.add_argument("--max-photos", type=positive, default=60, metavar="N")
    parser.add_argument("--region-px", type=positive, default=192, metavar="PX")
    parser.add_argument("--trained-only", action="store_true", help="leaves out the networks with random weights")
    parser.add_argument("--rated", type=Path, metavar="DATA", help="adds the linear probe on this rated set")
    return parser


if __name__ == "__main__":
    sys.exit(main())
