"""Importing the packages, loading models and reading images changes nothing of the process that does it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

STATE = """
import ctypes, logging, os, random, signal, sys, warnings
import albumentations, cv2, imagecodecs, numpy, rich.console, rich.table, scipy.sparse, torch
from PIL import Image

def tiff_handler():
    setter = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    handler = setter(None)
    setter(handler)
    return handler

def state():
    return {
        "OpenCV threads": cv2.getNumThreads(),
        "torch threads": torch.get_num_threads(),
        "torch defaults": (torch.get_default_dtype(), torch.is_grad_enabled()),
        "cuDNN": (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "handler of libtiff": tiff_handler(),
        "limit of Pillow": Image.MAX_IMAGE_PIXELS,
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "random": random.getstate(),
        "numpy's random": repr(numpy.random.get_state()),
        "torch's random": torch.get_rng_state().tolist(),
        "loggers": [list(map(repr, logging.getLogger(name).handlers)) for name in ("", "PIL", "imagecodecs")],
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "hooks": (sys.excepthook, sys.stdout, sys.stderr, os.getcwd(), sys.getrecursionlimit()),
    }

cv2.setNumThreads(3)
before = state()
{code}
after = state()
print([name for name in before if before[name] != after[name]])
"""

IMPORTS = """
import importlib, pkgutil
import distortion_engine, relational_iqa
for package in (distortion_engine, relational_iqa):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
del before["warnings"]  # those of packages that are imported along the way
"""
LOADS = """
import relational_iqa
for load in (relational_iqa.load, relational_iqa.pmos.load, relational_iqa.reiqa.load, relational_iqa.spips.load):
    load()
relational_iqa.RelationalLoss()
"""
USES = """
import relational_iqa
from distortion_engine.augment import random_crop
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import Recipe, Step
from distortion_engine.render import render

photo = load_image(sys.argv[1])
for name in ("gaussian_blur", "white_noise", "jpeg"):
    photo = render(photo, Recipe((Step(name, severity=0.4, amount=DISTORTIONS[name].ladder[1]),))).image
random_crop(numpy.zeros((64, 64, 3), numpy.uint8), 48, 1)
Image.new("RGB", (32, 32)).save(sys.argv[2], compression="tiff_deflate")
data = open(sys.argv[2], "rb").read()
open(sys.argv[2], "wb").write(data[:40] + bytes(20) + data[60:])
try:
    load_image(sys.argv[2])
except ImageError as error:
    pass
relational_iqa.load().compare(photo[:, :64, :64], photo[:, 1:65, :64], align=None).to_json()
"""


@pytest.mark.parametrize("code", [IMPORTS, LOADS, USES], ids=["importing", "loading", "using"])
def test_the_process_is_as_before(code: str, photo_paths: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-c", STATE.replace("{code}", code), str(photo_paths[0]), str(tmp_path / "bad.tif")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


MAPPED = """
import sys
import numpy as np
import relational_iqa

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

relational_iqa.load()
large, above = np.ones(40 << 20, np.uint8), [np.ones(1000, np.uint8) for _ in range(100)]
before = resident()
del large
print(before - resident())
"""


def test_loading_leaves_the_c_library_as_it_is() -> None:
    """glibc maps blocks of more than 32 MiB by themselves and gives them back at once, unless it is told otherwise."""
    if not sys.platform.startswith("linux"):
        return
    done = subprocess.run([sys.executable, "-c", MAPPED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 39 << 20
