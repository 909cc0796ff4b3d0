"""What several tests need: one thread, small photographs, and untrained networks in which nothing is trivially zero."""

from jaxtyping import install_import_hook

import tests.shape_checker  # noqa: F401  (the hook names it)

# Rooms whose annotated shapes are checked while the tests run (by `shape_checker`, at every call with new sizes
# and every dataclass made). The hook acts on modules that are imported after it, so it comes before all other imports
# of this project; outside of pytest nothing is checked.
CHECKED_SHAPES = (
    "distortion_engine.distortions",
    "distortion_engine.masks",
    "distortion_engine.render",
    "distortion_engine.restoration",
    "distortion_engine.severity",
    "relational_iqa.conventional",
    "relational_iqa.networks",
    "relational_iqa.results.colormaps",
    "relational_iqa.results.map",
    "relational_iqa.results.mos_score",
    "relational_iqa.results.spips_score",
    "relational_iqa.results.words.single_image",
    "relational_iqa.systems",
    "relational_iqa.tiling",
    "relational_iqa.training.losses",
)
install_import_hook(CHECKED_SHAPES, "tests.shape_checker.check")

import gc
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.reading.image_io import load_image
from relational_iqa.networks.pixel_perfect import Architecture, Networks
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.networks.spips_quality import STREAMS
from relational_iqa.storage.pmos_weights import save_pmos_weights
from relational_iqa.systems.pixel_perfect import RelationalIQA
from tests.relational_iqa.small_pmos import TINY, calibrated

IMAGES = Path(__file__).parent / "images"

# Two cores are shared, so no deadline; the same examples in every run, and no file beside the sources.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")


def pytest_collection_finish() -> None:
    """Modules and collected tests stay to the end: the garbage collector need not visit them over and over."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """One, or as many as `experiments.processors.run` asks for."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("RIQA_TEST_THREADS", "1")))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def photo_paths() -> list[Path]:
    """Three small photographs, 160 x 128 px."""
    return sorted(IMAGES.glob("photo_*.png"))


@pytest.fixture(scope="session")
def photos(photo_paths: list[Path]) -> list[Tensor]:
    """The same as tensors (3, 128, 160) in [0, 1]."""
    return [load_image(path) for path in photo_paths]


def _noisy(image: Tensor, amount: float) -> Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(5))
    return (image + amount * noise).clamp(0, 1)


def _jpeg(image: Tensor, amount: float) -> Tensor:
    buffer = BytesIO()
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(100 - amount))
    decoded = np.array(Image.open(buffer))
    return torch.from_numpy(decoded).permute(2, 0, 1).float() / 255


def _blurred(image: Tensor, amount: float) -> Tensor:
    size = 2 * int(amount) + 1
    padded = torch.nn.functional.pad(image[None], (size // 2,) * 4, mode="replicate")
    return torch.nn.functional.avg_pool2d(padded, size, stride=1)[0]


@pytest.fixture(scope="session")
def versions(photos: list[Tensor]) -> list[Tensor]:
    """A photograph (3, 80, 96) and four damaged versions of it: blurred, noisy, JPEG, darker."""
    photo = photos[0][:, 16:96, 32:128]
    return [photo, _blurred(photo, 2), _noisy(photo, 0.06), _jpeg(photo, 85), photo * 0.8]


@pytest.fixture(scope="session")
def scene() -> Callable[[int, int, int], Tensor]:
    """scene(height, width, seed): a picture of any size with structure at several scales and a little noise."""

    def make(height: int, width: int, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        picture = torch.full((1, 3, height, width), 0.5)
        for cells in (3, 9, 27, 81):
            coarse = torch.randn(1, 3, cells, cells, generator=generator)
            picture += 0.1 * torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
        return (picture[0] + 0.02 * torch.randn(3, height, width, generator=generator)).clamp(0, 1)

    return make


def build_random_networks(batch_a: Tensor, batch_b: Tensor, seed: int = 0) -> Networks:
    """Small untrained networks, calibrated on pairs (B, 3, H, W), every parameter random: also those that training
    starts at zero, so that no statement about the output holds only because of an initial value."""
    torch.manual_seed(seed)
    networks = Networks(Architecture(width=16, encoder_channels=8))
    with torch.no_grad():
        for name, parameter in networks.named_parameters():
            if name.endswith("bias") or not parameter.any():
                parameter.add_(0.1 * torch.randn_like(parameter))
        for odd in (networks.distortion.sign, networks.scoring.pair.direction):
            odd.weight.mul_(8)  # else directions are faint, and so is everything they multiply
        networks.distortion.calibrate(batch_a, batch_b)
        relation = networks.distortion(batch_b, batch_a)
        networks.scoring.reference.calibrate(batch_a, batch_b, relation)
        networks.scoring.pair.calibrate(networks.distortion(batch_a, batch_b))
    return networks.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def random_networks(versions: list[Tensor]) -> Networks:
    """Untrained networks; what holds for them holds by construction. Copy before changing."""
    pairs = [(i, j) for i in range(len(versions)) for j in range(len(versions)) if i != j]
    return build_random_networks(
        torch.stack([versions[i] for i, _ in pairs]), torch.stack([versions[j] for _, j in pairs])
    )


@pytest.fixture(scope="session")
def random_model(random_networks: Networks) -> RelationalIQA:
    """The model around `random_networks`."""
    return RelationalIQA(random_networks, {"name": "random", "sha256": "0" * 64})


@pytest.fixture(scope="session")
def tiny_sets() -> StoredSets:
    """Six invented sets of a reference and four members, 32 px; fields are random, those of references 0."""
    rng = np.random.default_rng(0)
    fields = rng.integers(-127, 128, (6, 5, len(AXES), 8, 8)).astype(np.int8)
    fields[:, 0] = 0
    return StoredSets(
        images=rng.integers(0, 256, (6, 5, 3, 32, 32)).astype(np.uint8),
        fields=fields,
        validity=rng.integers(0, 256, (6, 5, 1, 8, 8)).astype(np.uint8),
        ranks=np.tile(np.arange(-1, 4), (6, 1)),
        labels=np.sort(rng.random((6, 5, 3)).astype(np.float32), axis=1) * (np.arange(5) > 0)[:, None],
        certainty=np.array([1, 1, 1, 0.6, 1, 1], dtype=np.float32),
        kinds=np.zeros(6, dtype=np.int64),
    )


@pytest.fixture(scope="session")
def random_spips(versions: list[Tensor]) -> Callable[..., SpipsNetwork]:
    """random_spips(streams, width, resnet_depth, shares_from): an untrained network, calibrated, with fusion weights
    that differ from place to place."""

    def make(
        streams: tuple[str, ...] = STREAMS,
        width: int = 6,
        resnet_depth: int = 0,
        shares_from: Literal["pair", "reference"] = "pair",
    ) -> SpipsNetwork:
        torch.manual_seed(0)
        network = SpipsNetwork(SpipsArchitecture(streams, width, resnet_depth, hidden=8, shares_from=shares_from))
        with torch.no_grad():
            for parameter in network.fusion.last.parameters():
                parameter.copy_(0.8 * torch.randn_like(parameter))
        test = torch.stack(versions[1:])
        network.calibrate(test, versions[0].expand_as(test))
        return network.eval()

    return make


@pytest.fixture(scope="session")
def pmos_weights(versions: list[Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small untrained pMOS network, calibrated on `versions`."""
    torch.manual_seed(0)
    network = calibrated(PmosNetwork(TINY), versions)
    path = tmp_path_factory.mktemp("pmos") / "untrained.safetensors"
    save_pmos_weights(path, network)
    return path
