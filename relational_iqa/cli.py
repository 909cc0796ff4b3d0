"""The command `riqa`: each command is a typed function; heavy imports wait inside it, so that --help is quick.

Exit codes: 0 done, 2 bad input (one line `riqa: ...` on stderr, never a traceback), 130 interrupted.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.cli_parser import build_parser

if TYPE_CHECKING:
    import torch


def compare(
    a: str,
    b: str,
    reference: str | None = None,
    out: str | None = None,
    json: str | None = None,
    mask: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
) -> None:
    """Which of two images is better, by how much, where and in what way."""
    inputs = {"a": a, "b": b, "reference": reference}
    paths = {role: path for role, path in inputs.items() if path is not None}
    _check_outputs((out, json), [*paths.values(), *([] if mask is None else [mask])])
    images = dict(zip(paths, _load_images(list(paths.values()), max_pixels, align), strict=True))
    result = _model(weights).compare(
        images["a"],
        images["b"],
        reference=images.get("reference"),
        mask=None if mask is None else _load_images([mask], max_pixels)[0],
        align=align,
        names=(Path(a).name, Path(b).name),
    )
    lines = [result.summary(), _margin_line(result)]
    if out is not None:
        from relational_iqa.report import write_report

        write_report(result, images["a"], images["b"], out, reference=images.get("reference"))
        lines.append(f"report: {Path(out).resolve()}")
    else:
        lines.append("maps to look at: add --out report.html")
    _finish(lines, {**result.to_json(), "files": paths, "mask": mask, "align": align}, json)


def rank(
    images: list[str],
    reference: str | None = None,
    json: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
) -> None:
    """Order several images of one scene, best first."""
    if len(images) < 2:
        raise UsageError(f"rank got {len(images)} image: give two or more of one scene")
    paths = images if reference is None else [*images, reference]
    _check_outputs((json,), paths)
    loaded = _load_images(paths, max_pixels, align)
    ranking = _model(weights).rank(loaded[: len(images)], reference=None if reference is None else loaded[len(images)])
    ranking = replace(ranking, names=_display_names(images))
    lines = [ranking.summary()]
    _finish(lines, {**ranking.to_json(), "files": images, "reference": reference, "align": align}, json)


def score(
    images: list[str],
    reference: str | None = None,
    json: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
) -> None:
    """How far images are below their reference: 0 is no difference, -1 is one level of a five-level ladder."""
    if reference is None:
        raise UsageError("score needs --reference R; without one, riqa rank orders images among themselves")
    _check_outputs((json,), [*images, reference])
    model = _model(weights)
    scores = []
    for path, name in zip(images, _display_names(images), strict=True):
        image, pristine = _load_images([path, reference], max_pixels, align)
        scores.append(replace(model.score(image, reference=pristine), name=name))
    content = {
        "scores": [s.to_json() | {"file": p} for s, p in zip(scores, images, strict=True)],
        "reference": reference,
    }
    _finish([s.summary() for s in scores], {**content, "align": align}, json)


def generate(
    photos: str,
    out: str,
    sets: int,
    seed: int = 0,
    size: int = 256,
    split: str = "all",
    distortions: str | None = None,
    sets_per_shard: int = 64,
    format: str = "png",
    dense: bool = False,
    workers: int = 2,
    engine: str = "local",
    address: str | None = None,
    resume: str = "auto",
) -> None:
    """Write ranked image sets from a folder of pristine photographs: tar shards, a manifest and a contact sheet."""
    from distortion_engine.export import Workforce
    from distortion_engine.export import generate as export
    from distortion_engine.generate_options import GenerateOptions
    from relational_iqa.training.judge import metric_judge

    names = () if distortions is None else tuple(name.strip() for name in distortions.split(","))
    options = GenerateOptions(sets, seed, size, split, sets_per_shard, dense, format, names)
    workforce = Workforce(engine, workers, address)
    made = export(photos, out, options, judge=metric_judge, workforce=workforce, resume=resume)
    kinds = ", ".join(f"{count} {kind}" for kind, count in made["kinds"].items())
    print(f"{made['sets']} ranked sets ({kinds}), {made['images']} images: {Path(out).resolve()}")
    there = f", {made['shards_found']} of them there before" if made["shards_found"] else ""
    print(f"{made['shards']} shards{there}, {made['bytes'] / 1e6:.1f} MB; {made['dropped']} sets drawn again")
    print(f"{made['photos']} photographs usable, {made['photos_skipped']} skipped")


def pretrain(config: str, overrides: list[str], resume: str = "auto") -> None:
    """Train the networks from one YAML file; key=value (dots for sections) replaces single values."""
    settings = _read_config(config, overrides)
    from relational_iqa.training.pretrain import parse_config
    from relational_iqa.training.pretrain import pretrain as train

    print(f"weights: {Path(train(parse_config(settings), resume=resume)).resolve()}")


COMMANDS: dict[str, Callable[..., None]] = {
    "compare": compare,
    "rank": rank,
    "score": score,
    "generate": generate,
    "pretrain": pretrain,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    try:
        chosen = build_parser(COMMANDS).parse_args(list(sys.argv[1:] if argv is None else argv)).as_dict()
        command = chosen["command"]
        COMMANDS[command](**chosen[command])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe left: no more output, also not at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ImageError, UsageError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(
            f"{error.filename or 'input or output'}: {error.strerror or error}; check path, permissions and room"
        )
    except KeyboardInterrupt:
        print("riqa: interrupted", file=sys.stderr)
        return 130
    return 0


def _complain(message: str) -> int:
    print(f"riqa: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _model(weights: str | None) -> Any:
    import relational_iqa

    return relational_iqa.load() if weights is None else relational_iqa.load(weights)


def _load_images(paths: list[str], max_pixels: int | None, align: str | None = None) -> "list[torch.Tensor]":
    from distortion_engine.image_io import MAX_PIXELS, load_image
    from relational_iqa.alignment import match_sizes

    images = [(path, load_image(path, max_pixels=max_pixels or MAX_PIXELS)) for path in paths]
    return match_sizes(images, align)


def _display_names(paths: list[str]) -> list[str]:
    names = [Path(path).name for path in paths]
    return names if len(set(names)) == len(names) else paths


def _margin_line(result: Any) -> str:
    from relational_iqa.comparison import UNIT

    a, b = result.labels
    line = f"margin: {result.margin:+.2f} {UNIT} (positive: {a} is better; 1 is one level of a five-level ladder)"
    if result.quality_a is not None and result.quality_b is not None:
        line += f"; quality: {a} {result.quality_a:.2f}, {b} {result.quality_b:.2f} (0 equals the reference)"
    return line


def _check_outputs(outputs: Sequence[str | None], inputs: list[str]) -> None:
    """Refuse to write over an input or two results to one file, before any work."""
    taken = {Path(path).resolve() for path in inputs}
    for path in outputs:
        if path is not None and path != "-":
            if Path(path).resolve() in taken:
                raise UsageError(f"{path}: is an input or given twice; write to another file")
            if Path(path).is_dir():
                raise UsageError(f"{path}: is a folder; give a file to write")
            taken.add(Path(path).resolve())


def _finish(lines: list[str], content: dict[str, Any], target: str | None) -> None:
    """Print the lines for people, and the JSON where it was asked for: stdout is then JSON alone."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if target == "-":
        print(*lines, sep="\n", file=sys.stderr)
        sys.stdout.write(text)
        return
    if target is not None:
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        lines = [*lines, f"json: {path.resolve()}"]
    print(*lines, sep="\n")


def _read_config(path: str, overrides: list[str]) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such file; give a YAML file, for example experiments/pixel_perfect/cpu.yaml"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: is not YAML ({error})") from error
    if not isinstance(settings, dict):
        raise UsageError(f"{path}: holds {type(settings).__name__}, expected a YAML mapping of options")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise UsageError(f"{override!r}: expected key=value, for example train.steps=100")
        *sections, last = key.split(".")
        place: Any = settings
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise UsageError(
                f"{override!r}: {path} has no section {'.'.join(sections)!r}; sections: {', '.join(settings)}"
            )
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"{override!r}: the value is not YAML ({error})") from error
    return settings


if __name__ == "__main__":
    raise SystemExit(main())
