"""Trains a small denoiser with MSE, then with RelationalLoss added, and shows what the second one changes.

    python -m experiments.loss.denoise --out out/loss                  # the photographs of the tests, about a minute
    python -m experiments.loss.denoise --photos PHOTOS --steps 2000    # your own, longer

Both networks start from the same one (trained with MSE alone), see the same batches for the same number of steps, and
are measured on the photograph that is held out (the last by name), with the same noise.
"""

import argparse
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor, nn

from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.reading.photos import list_photos
from relational_iqa import RelationalLoss
from relational_iqa.conventional import haarpsi, psnr, ssim

PHOTOS = Path(__file__).parents[2] / "tests" / "images"
NOISE = 25 / 255  # standard deviation, as usual for denoisers
CROP_PX = 64
BATCH = 2
LEARNING_RATE = 1e-3
WARM_UP = 2  # steps with MSE alone, for each step afterwards
CAPTION_PX = 14


@dataclass(frozen=True)
class Options:
    """Options of the experiment.

    Args:
        out: folder for the picture.
        photos: folder of photographs; the last by name is held out.
        steps: of the second stage, with or without RelationalLoss.
        weight: of RelationalLoss beside the MSE.
        seed: of weights, batches and noise.
        weights: of RelationalLoss; None for the shipped ones.
    """

    out: Path
    photos: Path = PHOTOS
    steps: int = 200
    weight: float = 2e-3
    seed: int = 0
    weights: str | None = None


@dataclass(frozen=True)
class Measured:
    """One image against the clean one.

    Args:
        name: of the row.
        psnr: dB.
        ssim: at most 1, which is equal.
        haarpsi: in [0, 1]; 1 is equal.
        quality: severity levels below the clean image, <= 0.
        image: (3, H, W) in [0, 1].
    """

    name: str
    psnr: float
    ssim: float
    haarpsi: float
    quality: float
    image: Tensor

    def __str__(self) -> str:
        return f"{self.name:22} {self.psnr:9.2f} {self.ssim:8.4f} {self.haarpsi:9.4f} {self.quality:9.2f}"


class Denoiser(nn.Module):
    """Noisy (B, 3, H, W) -> clean: five 3x3 convolutions that predict the noise (DnCNN: Zhang et al., TIP 2017)."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        widths = [3, channels, channels, channels, channels, 3]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate"), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, noisy: Tensor) -> Tensor:
        return noisy - self.layers(noisy)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the options, trains, prints the table, writes the picture."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out/loss"), help="folder for the picture")
    parser.add_argument("--photos", type=Path, default=Options.photos, help="two photographs or more, 64 px or larger")
    parser.add_argument("--steps", type=int, default=Options.steps, help="of the second stage")
    parser.add_argument("--weight", type=float, default=Options.weight, help="of RelationalLoss beside the MSE")
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--weights", help="other weights than the shipped ones")
    run(Options(**vars(parser.parse_args(argv))))


def run(options: Options) -> list[Measured]:
    """Noisy, MSE, and MSE with RelationalLoss, on the held-out photograph; prints them and writes before_after.png."""
    photos = [load_image(path) for path in list_photos(options.photos, "all")]
    if len(photos) < 2 or min(min(photo.shape[1:]) for photo in photos) < CROP_PX:
        raise SystemExit(f"{options.photos}: needs two photographs or more of at least {CROP_PX} px")
    *training, clean = photos
    relational = RelationalLoss(options.weights)
    torch.manual_seed(options.seed)
    start = Denoiser()
    train(start, training, WARM_UP * options.steps, options.seed, None, 0.0)
    plain, with_loss = start, copy.deepcopy(start)
    train(plain, training, options.steps, options.seed + 1, None, 0.0)
    train(with_loss, training, options.steps, options.seed + 1, relational, options.weight)

    noisy = clean + NOISE * torch.randn(clean.shape, generator=torch.Generator().manual_seed(options.seed))
    images = {"noisy": noisy, "MSE": denoised(plain, noisy), "MSE + RelationalLoss": denoised(with_loss, noisy)}
    results = [measure(name, image, clean, relational) for name, image in images.items()]
    print(
        f"held out: {clean.shape[2]} x {clean.shape[1]} px, noise {NOISE * 255:.0f}/255; {options.steps} steps of "
        f"{BATCH} crops of {CROP_PX} px, after {WARM_UP * options.steps} with MSE alone; weight {options.weight:g}"
    )
    print(f"{'':22} {'PSNR, dB':>9} {'SSIM':>8} {'HaarPSI':>9} {'quality':>9}")
    print(*results, sep="\n")
    options.out.mkdir(parents=True, exist_ok=True)
    draw(clean, results, options.out / "before_after.png")
    print(f"picture: {options.out / 'before_after.png'}")
    return results


def train(
    network: nn.Module, photos: Sequence[Tensor], steps: int, seed: int, relational: nn.Module | None, weight: float
) -> None:
    """`steps` of Adam, its rate falling to 0 by a cosine, on random crops with fresh noise, drawn from the seed."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        clean = torch.stack([_crop(photos, generator) for _ in range(BATCH)])
        noisy = clean + NOISE * torch.randn(clean.shape, generator=generator)
        output = network(noisy)
        loss = F.mse_loss(output, clean)
        if relational is not None:
            loss = loss + weight * relational(output, clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def denoised(network: nn.Module, noisy: Tensor) -> Tensor:
    """(3, H, W) -> the same, clean, in [0, 1]."""
    return network(noisy[None])[0].clamp(0, 1)


@torch.no_grad()
def measure(name: str, image: Tensor, clean: Tensor, relational: nn.Module) -> Measured:
    """The numbers of `image` (3, H, W), clamped to [0, 1] as a file would be."""
    test, reference = image.clamp(0, 1)[None], clean[None]
    values = (float(metric(test, reference)) for metric in (psnr, ssim, haarpsi))
    return Measured(name, *values, -float(relational(test, reference)), test[0])


def draw(clean: Tensor, results: Sequence[Measured], target: Path) -> None:
    """The results beside the clean photograph, twice as large, a caption above each."""
    shown = [(result.name, f"{result.psnr:.1f} dB, quality {result.quality:.1f}", result.image) for result in results]
    tiles = [*shown, ("clean", "", clean)]
    height, width = 2 * clean.shape[1], 2 * clean.shape[2]
    sheet = Image.new("RGB", (len(tiles) * (width + 4) - 4, height + 2 * CAPTION_PX), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (name, numbers, image) in enumerate(tiles):
        left = index * (width + 4)
        picture = Image.fromarray(to_uint8(image)).resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(picture, (left, 2 * CAPTION_PX))
        pen.text((left + 2, 0), name, "black")
        pen.text((left + 2, CAPTION_PX), numbers, "black")
    sheet.save(target)


def _crop(photos: Sequence[Tensor], generator: torch.Generator) -> Tensor:
    photo = photos[int(torch.randint(len(photos), (), generator=generator))]
    top = int(torch.randint(photo.shape[1] - CROP_PX + 1, (), generator=generator))
    left = int(torch.randint(photo.shape[2] - CROP_PX + 1, (), generator=generator))
    crop = photo[:, top : top + CROP_PX, left : left + CROP_PX]
    return crop.flip(-1) if int(torch.randint(2, (), generator=generator)) else crop


if __name__ == "__main__":
    main()
