"""One shard of ranked sets: a plain tar in the layout of WebDataset, a function of its job and its number alone.

    00000042.reference.png  00000042.member_0.png ...  [00000042.fields.npz]  00000042.json

`json` says all that the other files follow from, and their hashes, so a shard can be checked by itself. `fields.npz`:
float16 `fields` (n + 1, K, S, S) in [-1, 1] and bool `validity` (n + 1, 1, S, S), the reference first.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from torch import Tensor

from distortion_engine import ENGINE_VERSION
from distortion_engine.dataset import Judge, RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.generation.options import GenerateOptions, libraries
from distortion_engine.jobs.safe_files import atomic_file, file_sha256

# Lossless, and quick first: at their defaults the encoders took as long as everything else. On 80 images of 256 px,
# PNG with run lengths alone takes a quarter of the time for 1 % more bytes; WebP at this effort an eighth for 5 % more,
# and stays 16 % below PNG.
_ENCODING: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_type": zlib.Z_RLE},
    "webp": {"format": "WEBP", "lossless": True, "exact": True, "method": 1, "quality": 0},
}


@dataclass(frozen=True)
class ShardJob:
    """What every worker needs. photos: usable files and their sha256, in order. folder: where shards go; both are paths
    that all workers see. judge: see `RankedSetDataset`. libraries: versions that the bytes are promised for."""

    options: GenerateOptions
    photos: tuple[tuple[Path, str], ...]
    folder: Path
    judge: Judge | None
    libraries: dict[str, str]

    def path(self, shard: int) -> Path:
        """Of a shard by its number."""
        return self.folder / f"ranked-{shard:06d}.tar"


def write_shard(job: ShardJob, shard: int, tick: Callable[[], None]) -> dict[str, Any]:
    """Renders and writes a shard and returns its line of the manifest; `tick` is called after each set.

    Raises UsageError when it cannot be written, or when photographs or libraries are not those of the job.
    """
    here = libraries()
    if here != job.libraries:
        odd = [
            f"{name} {here[name]}, not {version}" for name, version in job.libraries.items() if here[name] != version
        ]
        raise UsageError(f"{platform.node()} has {'; '.join(odd)}: install the same releases on all machines")
    options = job.options
    paths, hashes = [path for path, _ in job.photos], {path.name: (path, sha256) for path, sha256 in job.photos}
    dataset = RankedSetDataset(
        paths, options.size_px, options.seed, options.sets, sampling=options.sampling(), judge=job.judge
    )
    with (
        atomic_file(job.path(shard)) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for index in options.indices(shard):
            for name, content in _set_files(job, dataset, index, hashes).items():
                entry = tarfile.TarInfo(f"{index:08d}.{name}")  # time, owner and mode at their fixed defaults
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))
            tick()
    line = inspect_shard(job, shard)
    if line is None:
        raise UsageError(f"{job.path(shard)}: does not read back as it was written; check the disk")
    return line


def inspect_shard(job: ShardJob, shard: int) -> dict[str, Any] | None:
    """The manifest's line of a shard on disk, or None where the file is missing, damaged or of other options."""
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
    """The `json` of each set of a shard, in order. Raises tarfile.TarError, ValueError, KeyError or TypeError where
    the shard is not complete to the bit."""
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


def _set_files(
    job: ShardJob, dataset: RankedSetDataset, index: int, hashes: dict[str, tuple[Path, str]]
) -> dict[str, bytes]:
    """Name -> content, `json` last. hashes: (photograph, sha256) by name."""
    item = dataset[index]
    ranked = item.set
    path, sha256 = hashes[item.photo]
    state = path.stat()
    if _sha256_once(path, state.st_mtime_ns, state.st_size) != sha256:
        raise UsageError(f"{path}: is another file than when the run began ({platform.node()}); put the first one back")
    suffix = f".{job.options.image_format}"
    names = ["reference", *(f"member_{number}" for number in range(len(ranked.members)))]
    files = {
        name + suffix: encode_image(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), job.options.image_format)
        for name, image in zip(names, item.images, strict=True)
    }
    if job.options.dense:
        files["fields.npz"] = encode_fields(item.fields, item.validity)
    record = {
        "index": index,
        "photo": item.photo,
        "seed": dataset.seed,
        "kind": ranked.kind,
        "ranks": list(ranked.ranks),
        "certainty": ranked.certainty,
        "dropped": item.dropped,
        "judge": [round(opinion, 4) for opinion in item.labels.mean(1).tolist()] if job.judge else None,
        "crop": item.crop.to_dict(),
        "recipe": ranked.to_dict(),
        "engine": ENGINE_VERSION,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files["json"] = (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode()
    return files


def encode_image(pixels: np.ndarray, image_format: str) -> bytes:
    """File content of pixels (H, W, 3) uint8, "png" or "webp". Same pixels, same bytes."""
    content = BytesIO()
    Image.fromarray(pixels).save(content, **_ENCODING[image_format])
    return content.getvalue()


def encode_fields(fields: Tensor, validity: Tensor) -> bytes:
    """`fields.npz` of fields (n + 1, K, S, S) in [-1, 1] and validity (n + 1, 1, S, S) in {0, 1}."""
    content = BytesIO()
    half, valid = fields.numpy().astype(np.float16), validity.numpy() > 0
    np.savez_compressed(content, allow_pickle=False, fields=half, validity=valid)
    return content.getvalue()


@lru_cache(maxsize=4096)
def _sha256_once(path: Path, changed_ns: int, size: int) -> str:
    """Hashed once a process, as long as the file looks the same."""
    return file_sha256(path)
