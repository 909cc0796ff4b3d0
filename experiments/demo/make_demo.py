"""Makes the demo images from two photographs with real tools; run once, its output is in git.

    python experiments/demo/make_demo.py PHOTOS

PHOTOS is the folder of the photographs named below (README.md says where they come from). Needs cjpeg (libjpeg-turbo)
and avifenc (libavif) on the path: Debian's libjpeg-turbo-progs and libavif-bin.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

HERE = Path(__file__).parent
SKYLINE = "jyzhang23__mj-tangonan-wkftnwadygs-unsplash__dd7e04fe.webp"
LOBSTER = "ubuntu-mate__blue-lobster__cc5e88f1.webp"
JPEG_QUALITY = 20  # about 0.5 bit a pixel on this photograph: where codecs part
PHOTONS = 400.0  # electrons of full white, a small sensor at high ISO
READ_NOISE = 0.003  # of full white, standard deviation
SEED = 7


def codecs(photo: Path) -> None:
    """One photograph through JPEG and through AVIF at equal size (AVIF at the best quality that is not larger)."""
    shutil.copyfile(photo, HERE / "skyline_reference.webp")
    with tempfile.TemporaryDirectory() as folder:
        png, ppm = Path(folder, "x.png"), Path(folder, "x.ppm")
        for path in (png, ppm):
            Image.open(photo).convert("RGB").save(path)
        jpeg, avif = HERE / "skyline.jpg", HERE / "skyline.avif"
        subprocess.run(
            ["cjpeg", "-quality", str(JPEG_QUALITY), "-baseline", "-optimize", "-outfile", str(jpeg), str(ppm)],
            check=True,
        )
        for step in range(10, 64):  # avifenc's quantizer: 0 is lossless, 63 is worst
            quantizer = ["--min", str(step), "--max", str(step)]
            command = ["avifenc", *quantizer, "-s", "4", "-j", "1", "-y", "420", str(png), str(avif)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if avif.stat().st_size <= jpeg.stat().st_size:
                break
    print(f"cjpeg -quality {JPEG_QUALITY}: {jpeg.stat().st_size} bytes")
    print(f"avifenc quantizer {step}: {avif.stat().st_size} bytes")


def denoisers(photo: Path) -> None:
    """One photograph with sensor noise (Poisson and Gaussian, in linear light) through two denoisers of OpenCV."""
    srgb = np.asarray(Image.open(photo).convert("RGB"), dtype=np.float64) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    rng = np.random.default_rng(SEED)
    raw = rng.poisson(linear * PHOTONS) / PHOTONS + rng.normal(0, READ_NOISE, linear.shape)
    raw = np.clip(raw, 0, 1)
    noisy = np.where(raw <= 0.0031308, 12.92 * raw, 1.055 * raw ** (1 / 2.4) - 0.055)
    noisy8 = (noisy * 255).round().astype(np.uint8)[:, :, ::-1].copy()  # OpenCV orders channels BGR
    outputs = {
        "lobster_nlm.webp": cv2.fastNlMeansDenoisingColored(noisy8, None, 12, 14, 7, 21),
        "lobster_median.webp": cv2.medianBlur(noisy8, 3),
    }
    for name, image in outputs.items():
        Image.fromarray(image[:, :, ::-1].copy()).save(HERE / name, lossless=True, method=6)
        print(name, (HERE / name).stat().st_size, "bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], SKYLINE).is_file() or not Path(sys.argv[1], LOBSTER).is_file():
        sys.exit(f"usage: python experiments/demo/make_demo.py PHOTOS, the folder of {SKYLINE} and {LOBSTER}")
    codecs(Path(sys.argv[1], SKYLINE))
    denoisers(Path(sys.argv[1], LOBSTER))
