"""Row 8: real encoders that the engine never calls, at rising quality: is more quality called better?"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.pixel_perfect.measures import Model, Share, share
from experiments.pixel_perfect.table import Row
from relational_iqa.conventional import METRICS

MUST_ORDER = 0.95
WITNESSES = ("psnr", "mdsi")  # how conventional metrics order the same pairs
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Codec:
    """A command-line encoder.

    Args:
        tool: name of the program.
        package: Debian package that has it.
        source: suffix of the files that it reads.
        suffix: suffix of the files that it writes.
        settings: arguments by rising quality, each a clear step above the one before.
        command: further arguments, with {in} and {out} for the files.
    """

    tool: str
    package: str
    source: str
    suffix: str
    settings: tuple[str, ...]
    command: str

    def arguments(self, setting: str, source: Path, target: Path) -> list[str]:
        """The command line."""
        paths = {"{in}": str(source), "{out}": str(target)}
        return [self.tool, *setting.split(), *(paths.get(word, word) for word in self.command.split())]


CODECS: tuple[Codec, ...] = (
    Codec("cjpeg", "libjpeg-turbo-progs", ".ppm", ".jpg",
          tuple(f"-quality {q}" for q in (5, 10, 20, 38, 65, 88)), "-optimize -outfile {out} {in}"),
    Codec("cwebp", "webp", ".png", ".webp",
          tuple(f"-q {q}" for q in (0, 10, 30, 60, 82, 95)), "-quiet {in} -o {out}"),
    Codec("avifenc", "libavif-bin", ".png", ".avif",
          tuple(f"-a cq-level={q}" for q in (60, 52, 43, 34, 24, 12)),
          "-a end-usage=q --min 0 --max 63 -s 8 -j 1 -y 420 {in} {out}"),
    Codec("cjxl", "libjxl-tools", ".png", ".jxl",
          tuple(f"-d {d}" for d in (15, 8.5, 5, 3, 1.7, 0.8)), "{in} {out} -e 5 --num_threads=1 --quiet"),
)  # fmt: skip


@dataclass(frozen=True)
class CodecResult:
    """By photograph, whether each pair of adjacent settings is in the order of their quality.

    Args:
        right: with the reference.
        right_alone: without the reference.
        witnesses: by the conventional metrics of `WITNESSES`.
        equal: pairs left out because the decoded images are the same.
    """

    right: list[list[bool]]
    right_alone: list[list[bool]]
    witnesses: dict[str, list[list[bool]]]
    equal: int


def measure_codecs(
    model: Model,
    photos: Sequence[Path],
    count: int,
    size_px: int = 288,
    codecs: Sequence[Codec] = CODECS,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, CodecResult | None]:
    """Results by tool on the middle (at most `size_px` a side) of `count` photographs, spread evenly over the list;
    None where the tool is not installed. Raises UsageError when a tool fails."""
    chosen = [photos[n * len(photos) // min(count, len(photos))] for n in range(min(count, len(photos)))]
    results: dict[str, CodecResult | None] = {}
    for codec in codecs:
        if shutil.which(codec.tool) is None:
            results[codec.tool] = None
            log(f"{codec.tool}: not found; apt-get install {codec.package}")
            continue
        result = CodecResult([], [], {name: [] for name in WITNESSES}, 0)
        for photo in chosen:
            reference = _middle(load_image(photo), size_px)
            result = _judge(model, reference, encode_all(codec, reference), result)
        results[codec.tool] = result
        log(f"{codec.tool}: {len(codec.settings)} qualities of {len(chosen)} photographs")
    return results


def encode_all(codec: Codec, reference: Tensor) -> Tensor:
    """The decoded images (Q, 3, H, W) of `reference` (3, H, W) by rising quality."""
    with tempfile.TemporaryDirectory(prefix="riqa-codec-") as name:
        folder = Path(name)
        source = folder / f"source{codec.source}"
        Image.fromarray(to_uint8(reference)).save(source)
        decoded = []
        for number, setting in enumerate(codec.settings):
            target = folder / f"{number}{codec.suffix}"
            _run(codec.arguments(setting, source, target))
            decoded.append(load_image(target))
        return torch.stack(decoded)


def codec_rows(results: dict[str, CodecResult | None], codecs: Sequence[Codec] = CODECS) -> list[Row]:
    """The required row over all tools that are installed, then each tool, then what is only reported."""
    present = [result for result in results.values() if result is not None]
    missing = [codec for codec in codecs if results.get(codec.tool) is None]
    absent = f"apt-get install {' '.join(codec.package for codec in missing)}" if missing else ""
    equal = sum(result.equal for result in present)
    note = "; ".join(text for text in (
        f"without {', '.join(codec.tool for codec in missing)}: {absent}" if missing else "",
        f"{equal} equal pairs left out" if equal else "",
    ) if text)  # fmt: skip
    together = share(_by_photograph([result.right for result in present]))
    rows = [_row("external codecs at rising quality, with reference", together, MUST_ORDER, note)]
    for codec in codecs:
        result = results.get(codec.tool)
        rows.append(
            Row(codec.tool, None, note=f"apt-get install {codec.package}", unit="share", part=True)
            if result is None
            else _row(codec.tool, share(result.right), part=True)
        )
    alone = share(_by_photograph([result.right_alone for result in present]))
    rows.append(_row("without reference", alone, part=True))
    for name in WITNESSES if present else ():
        groups = share(_by_photograph([result.witnesses[name] for result in present]))
        rows.append(_row(f"{name} on the same pairs", groups, part=True))
    return rows


def _by_photograph(tools: Sequence[list[list[bool]]]) -> list[list[bool]]:
    """The answers of all tools joined by photograph: those of one photograph are not independent."""
    return [[answer for group in groups for answer in group] for groups in zip(*tools, strict=True)]


def _judge(model: Model, reference: Tensor, decoded: Tensor, result: CodecResult) -> CodecResult:
    """Adds the adjacent pairs of one photograph; decoded (Q, 3, H, W) by rising quality."""
    different = [i for i in range(len(decoded) - 1) if not torch.equal(decoded[i], decoded[i + 1])]
    pristine = reference[None].expand_as(decoded)
    scores = {"": model.quality_batch(decoded, pristine).cpu()}
    for name in WITNESSES:
        values = METRICS[name].function(decoded, pristine)
        scores[name] = values if METRICS[name].higher_is_better else -values
    rising = {name: [bool(values[i + 1] > values[i]) for i in different] for name, values in scores.items()}
    margins = model.margin_batch(decoded[1:], decoded[:-1]).cpu()
    return CodecResult(
        [*result.right, rising[""]],
        [*result.right_alone, [bool(margins[i] > 0) for i in different]],
        {name: [*result.witnesses[name], rising[name]] for name in WITNESSES},
        result.equal + len(decoded) - 1 - len(different),
    )


def _middle(image: Tensor, size_px: int) -> Tensor:
    height, width = (min(side, size_px) for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[:, top : top + height, left : left + width]


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise UsageError(f"{' '.join(command)} failed with exit code {error.returncode}: {said[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{' '.join(command)} took longer than {_TIMEOUT_S} s; check the tool") from error


def _row(name: str, result: Share, must: float | None = None, note: str = "", part: bool = False) -> Row:
    if not result.answers:
        return Row(name, None, "", must, "share", None, note, part)
    samples = f"{result.answers} adjacent pairs of {result.groups} photographs"
    return Row(name, result.value, samples, must, "share", result.spread, note, part)
