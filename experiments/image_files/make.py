"""Makes the image files of tests/distortion_engine/reading/files anew, with what other decoders read from them.

    python -m experiments.image_files.make [--out tests/distortion_engine/reading/files]

Needs the programs that the modules beside this one name (Debian: libjxl-tools imagemagick libgs-common
libimage-exiftool-perl libavif-bin libopenjp2-tools). The tests do not: they read the files, cases.json and
expected.npz.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from experiments.image_files.avif import make_avif
from experiments.image_files.jpeg import make_jpeg
from experiments.image_files.jpeg_2000 import make_jpeg_2000
from experiments.image_files.jpeg_xl import make_jpeg_xl
from experiments.image_files.others import make_others
from experiments.image_files.png import make_png
from experiments.image_files.tiff import make_tiff
from experiments.image_files.workshop import ROOT, Maker, Workshop

MAKERS: tuple[Maker, ...] = (make_jpeg_xl, make_tiff, make_jpeg, make_png, make_avif, make_jpeg_2000, make_others)


def main() -> None:
    """Writes the files, cases.json and expected.npz."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "distortion_engine" / "reading" / "files")
    out = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        path.unlink()
    with tempfile.TemporaryDirectory() as work:
        shop = Workshop(Path(work), out, [], {})
        for make in MAKERS:
            make(shop)
    (out / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in shop.table()) + "\n]\n")
    np.savez_compressed(out / "expected.npz", **shop.expected)
    print(f"{len(shop.cases)} files, {sum(path.stat().st_size for path in out.iterdir()) >> 10} KiB in {out}")


if __name__ == "__main__":
    main()
