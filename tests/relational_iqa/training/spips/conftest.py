"""Miniature sets, triplets and rated images for the tests of SPIPS, and a small config."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.reading.image_io import save_image

ROOT = Path(__file__).parents[4]
SMOKE = ROOT / "experiments/spips/smoke.yaml"


@pytest.fixture
def tiny() -> Callable[..., dict[str, Any]]:
    """tiny(out, **changes): the smoke config with a smaller network and fewer steps."""

    def make(out: Path, **changes: Any) -> dict[str, Any]:
        values = yaml.safe_load(SMOKE.read_text(encoding="utf-8"))
        values["out"] = str(out)
        values["architecture"] = {"width": 4, "hidden": 8}
        values["train"] |= {"steps": 4, "batch_size": 8, "log_every": 2, "panel_every": 3, "warmup_steps": 0}
        return values | changes

    return make


@pytest.fixture
def sets(photos: list[Tensor]) -> StoredSets:
    """Twelve sets of crops of the photographs with rising noise, blur or darkness; labels rise alike."""
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    images = []
    for index in range(12):
        photo = photos[index % 3]
        top, left = int(rng.integers(0, 128 - 48)), int(rng.integers(0, 160 - 48))
        crop = photo[:, top : top + 48, left : left + 48]
        blurred = torch.nn.functional.avg_pool2d(crop[None], 5, 1, 2)[0]
        noise = torch.randn(crop.shape, generator=generator)
        damaged = ((crop + 0.15 * noise).clamp(0, 1), blurred, 0.5 * crop)[index % 3]
        images.append(torch.stack([torch.lerp(crop, damaged, share) for share in (0, 0.25, 0.5, 0.75, 1.0)]))
    labels = np.tile(np.arange(5, dtype=np.float32)[None, :, None] / 5, (12, 1, 3))
    return StoredSets(
        images=(torch.stack(images) * 255).round().byte().numpy(),
        fields=np.zeros((12, 5, 1, 12, 12), dtype=np.int8),
        validity=np.zeros((12, 5, 1, 12, 12), dtype=np.uint8),
        ranks=np.tile(np.arange(-1, 4), (12, 1)),
        labels=labels,
        certainty=np.ones(12, dtype=np.float32),
        kinds=np.zeros(12, dtype=np.int64),
    )


@pytest.fixture
def triplets(tmp_path: Path, photos: list[Tensor]) -> Path:
    """A miniature BAPPS of 24 triplets whose judges dislike darkening far more than noise."""
    folder = tmp_path / "2afc/train/traditional"
    for part in ("ref", "p0", "p1", "judge"):
        (folder / part).mkdir(parents=True)
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    for index in range(24):
        photo = photos[index % 3]
        top, left = int(rng.integers(0, 64)), int(rng.integers(0, 96))
        crop = photo[:, top : top + 64, left : left + 64]
        noisy = (crop + 0.12 * torch.randn(crop.shape, generator=generator)).clamp(0, 1)
        dark_first = bool(rng.random() < 0.5)
        pair = (0.85 * crop, noisy) if dark_first else (noisy, 0.85 * crop)
        for part, image in zip(("ref", "p0", "p1"), (crop, *pair), strict=True):
            save_image(image, folder / part / f"{index:06d}.png")
        np.save(folder / "judge" / f"{index:06d}.npy", np.array([1.0 if dark_first else 0.0], dtype=np.float32))
    return tmp_path / "2afc/train"


@pytest.fixture
def rated(tmp_path: Path, photos: list[Tensor]) -> Path:
    """Six references of 64 px with six versions each; scores from 0 to 100 fall with the darkening."""
    folder = tmp_path / "rated"
    folder.mkdir()
    lines = ["image,reference,score,scene"]
    for scene in range(6):
        photo = photos[scene % 3]
        crop = photo[:, 20 * (scene // 3) : 20 * (scene // 3) + 64, :80]
        save_image(crop, folder / f"r{scene}.png")
        for level in range(6):
            save_image(crop * (1 - 0.12 * level), folder / f"{scene}_{level}.png")
            lines.append(f"{scene}_{level}.png,r{scene}.png,{100 - 20 * level},")
    (folder / "scores.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder
