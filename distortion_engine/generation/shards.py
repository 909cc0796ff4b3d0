"""One shard of ranked sets: a plain tar in the layout of WebDataset, a function of its job and its number alone.

    00000042.reference.png  00000042.member_0.png ...  [00000042.fields.npz]  00000042.json
    00000042.images.npy  00000042.fields.npy  00000042.validity.npy  [00000042.fields.npz]  00000042.json

The second line is the format "npy", which training reads in place (`stored_sets`). `json` holds everything that the
other files follow from, and their hashes, so that a shard can be checked by itself.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

from distortion_engine import ENGINE_VERSION
from distortion_engine.dataset import Judge, RankedItem
from distortion_engine.errors import UsageError
from distortion_engine.generation.encoding import encode_array, encode_fields, encode_image, quarter_fields
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import libraries
from distortion_engine.jobs.safe_files import atomic_file, file_sha256, file_sha256_once


@dataclass(frozen=True)
class ShardJob:
    """What every worker needs to know. All paths are paths that all workers see.

    Args:
        options: what is drawn and stored.
        photos: usable photographs and their sha256, in order.
        folder: the folder of the shards.
        judge: see `RankedSetDataset`.
        libraries: versions that the bytes are promised for.
    """

    options: GenerateOptions
    photos: tuple[tuple[Path, str], ...]
    folder: Path
    judge: Judge | None
    libraries: dict[str, str]

    def path(self, shard: int) -> Path:
        """The path of a shard, by its number."""
        return self.folder / f"ranked-{shard:06d}.tar"


def write_shard(job: ShardJob, shard: int, tick: Callable[[], None]) -> dict[str, Any]:
    """Renders and writes a shard and returns its line of the manifest. `tick` is called after each set.

    Raises UsageError when the shard cannot be written, or when photographs or libraries are not those of the job.
    """
    here = libraries(job.options.restores)
    if here != job.libraries:
        odd = [
            f"{name} {here[name]}, not {version}" for name, version in job.libraries.items() if here[name] != version
        ]
        raise UsageError(f"{platform.node()} has {'; '.join(odd)}: install the same releases on all machines")
    options, hashes = job.options, {path.name: (path, sha256) for path, sha256 in job.photos}
    dataset = options.dataset([path for path, _ in job.photos], job.judge)
    with (
        atomic_file(job.path(shard)) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for index in options.indices(shard):
            item = dataset[index]
            _check_unchanged(*hashes[item.photo])
            for name, content in set_files(item, index, options, judged=job.judge is not None).items():
                entry = tarfile.TarInfo(f"{index:08d}.{name}")  # time, owner and mode at their fixed defaults
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))
            tick()
    line = inspect_shard(job, shard)
    if line is None:
        raise UsageError(f"{job.path(shard)}: does not read back as it was written; check the disk")
    return line


def inspect_shard(job: ShardJob, shard: int) -> dict[str, Any] | None:
    """The line of the manifest for a shard on disk; None where the file is missing, damaged or of other options."""
    path = job.path(shard)
    try:
        with open(path, "rb") as stream:
            records = list(read_records(stream))
        size, digest = path.stat().st_size, file_sha256(path)
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError):
        return None
    indices = job.options.indices(shard)
    if [(record["index"], record["seed"]) for record in records] != [(index, job.options.seed) for index in indices]:
        return None
    return {
        "name": f"{job.folder.name}/{path.name}",
        "first": indices.start,
        "sets": len(indices),
        "images": sum(len(record["ranks"]) + 1 for record in records),
        "kinds": dict(sorted(Counter(record["kind"] for record in records).items())),
        "dropped": sum(record["dropped"] for record in records),
        "bytes": size,
        "sha256": digest,
    }


def read_records(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """Yields the `json` of each set of a shard, in order.

    Raises tarfile.TarError, ValueError, KeyError or TypeError where a bit of the shard is missing or wrong.
    """
    found: dict[str, str] = {}
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is None:
                raise ValueError(f"{entry.name} is not a file")
            key, _, name = entry.name.partition(".")
            if name != "json":
                found[name] = hashlib.sha256(content.read()).hexdigest()
                continue
            record = json.loads(content.read())
            if record["sha256"] != found or key != f"{record['index']:08d}":
                raise ValueError(f"{entry.name} does not describe the files before it")
            yield record
            found = {}
    if found:
        raise ValueError("the last set has no json")


def set_files(item: RankedItem, index: int, options: GenerateOptions, judged: bool) -> dict[str, bytes]:
    """Name and content of the files of a set, `json` last."""
    files = _arrays(item) if options.image_format == "npy" else _pictures(item.images, options.image_format)
    if options.dense:
        files["fields.npz"] = encode_fields(item.fields, item.validity)
    record = {
        "index": index,
        "photo": item.photo,
        "seed": options.seed,
        "kind": item.set.kind,
        "ranks": list(item.set.ranks),
        "certainty": item.certainty,
        "dropped": item.dropped,
        "judge": [round(opinion, 4) for opinion in item.labels.mean(1).tolist()] if judged else None,
        "labels": _shortest(item.labels) if judged else None,
        "crop": item.crop.to_dict(),
        "recipe": item.set.to_dict(),
        "engine": ENGINE_VERSION,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    text = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    files["json"] = text.encode("utf-8", "backslashreplace")  # of names that are no UTF-8, escapes that JSON knows
    return files


def _pictures(images: Tensor, image_format: str) -> dict[str, bytes]:
    names = ["reference", *(f"member_{number}" for number in range(len(images) - 1))]
    return {
        f"{name}.{image_format}": encode_image(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), image_format)
        for name, image in zip(names, images, strict=True)
    }


def _arrays(item: RankedItem) -> dict[str, bytes]:
    fields, validity = quarter_fields(item.fields, item.validity)
    arrays = {"images": item.images.numpy(), "fields": fields, "validity": validity}
    return {f"{name}.npy": encode_array(array) for name, array in arrays.items()}


def _shortest(values: Tensor) -> list[list[float]]:
    """float32 values (n, m) as the shortest decimals from which the same float32 values are read."""
    return [[float(str(value)) for value in row] for row in values.numpy()]


def _check_unchanged(photo: Path, sha256: str) -> None:
    if file_sha256_once(photo) != sha256:
        raise UsageError(
            f"{photo}: is another file than when the run began ({platform.node()}); put the first one back"
        )
