"""The wheel: it builds, holds weights and data and nothing else, and works in a fresh environment, in another folder,
without any network.

Needs setuptools in the environment of the tests (pip install 'setuptools>=77'): the build then takes nothing from an
index. The dependencies are those of the tests, seen through a .pth file; this project is not among them.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from relational_iqa import __version__
from relational_iqa.storage.shipped import DEFAULT_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("distortion_engine", "relational_iqa")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
SETUPTOOLS = 77  # the first with a licence expression, as pyproject.toml says
# Runs at the start of every Python of the fresh environment.
NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise AssertionError(f"network: {arguments}")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints; AssertionError with its complaints where it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, env=kept | environment, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the project, so that nothing is written beside the sources."""
    try:
        have = version("setuptools")
    except PackageNotFoundError:
        have = "0"
    assert int(have.split(".")[0]) >= SETUPTOOLS, f"setuptools {have}: pip install 'setuptools>={SETUPTOOLS}'"
    folder = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns(".*", "runs", "out", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "source", ignore=left_out)
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, folder / "source",
        cwd=folder)  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def from_sdist(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built of the unpacked source distribution, which is built of the same copy."""
    folder = tmp_path_factory.mktemp("sdist")
    script = f"import setuptools.build_meta as build; build.build_sdist({str(folder)!r})"
    run(sys.executable, "-c", script, cwd=wheel.parent / "source")
    (packed,) = folder.glob("*.tar.gz")
    # Python 3.11.2, which Debian 12 has, knows no filter.
    shutil.unpack_archive(packed, folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run(*PIP, "--python", python, "install", "--no-deps", "--no-index", "--no-compile", wheel, cwd=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    # A plain path: .pth files over there, such as that of an editable install of this project, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    # Not sitecustomize.py: Debian's Python has one of its own, which comes first.
    (site / "no_network.py").write_text(NO_NETWORK, encoding="utf-8")
    (site / "no_network.pth").write_text("import no_network\n", encoding="utf-8")
    return folder / "bin"


def test_the_source_distribution_gives_the_same_wheel(wheel: Path, from_sdist: Path):
    read: list[dict[str, bytes]] = []
    for path in (wheel, from_sdist):
        with zipfile.ZipFile(path) as archive:
            read.append({name: archive.read(name) for name in archive.namelist()})
    assert wheel.name == from_sdist.name and read[0] == read[1]


def test_the_wheel_is_named_by_the_version_and_runs_on_any_machine(wheel: Path):
    assert wheel.name == f"relational_iqa-{__version__}-py3-none-any.whl"


def test_weights_curves_templates_and_every_other_data_file_are_inside(contents: set[str]):
    assert f"relational_iqa/weights/{DEFAULT_WEIGHTS}.safetensors" in contents
    assert {"distortion_engine/severity.json", "relational_iqa/report/report.html.j2"} <= contents
    files = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*")
             if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert {name for name in contents if ".dist-info/" not in name} == files


def test_type_checkers_read_the_annotations_of_both_packages(contents: set[str]):
    assert {f"{package}/py.typed" for package in PACKAGES} <= contents


def test_no_tests_experiments_documents_or_photographs_are_inside_but_the_one_of_the_catalogue(contents: set[str]):
    assert {name.split("/")[0] for name in contents if ".dist-info/" not in name} == set(PACKAGES)
    pictures = {name for name in contents if name.endswith((".png", ".jpg", ".webp", ".avif", ".tif"))}
    assert pictures == {"distortion_engine/generation/sample_photo.webp"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)


def test_the_installed_command_compares_two_images_in_another_folder_without_network(installed: Path, tmp_path: Path):
    where = run(installed / "python", "-c", "import relational_iqa; print(relational_iqa.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    first, second = (ROOT / "tests" / "images" / f"photo_{number}.png" for number in (1, 2))
    said = run(installed / "riqa", "compare", first, second, "--reference", first, "--json", "result.json",
               "--out", "report.html", cwd=tmp_path, OMP_NUM_THREADS="1")  # fmt: skip
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert result["better"] == "a" and result["quality"]["a"] == 0 > result["quality"]["b"]
    assert result["sentence"] in said and result["meta"]["weights"] == DEFAULT_WEIGHTS
    assert len(result["axes"]) == 18 and "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_guard_against_the_network_works(installed: Path, tmp_path: Path):
    code = "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept AssertionError: print('refused')"
    assert run(installed / "python", "-c", code, cwd=tmp_path).strip() == "refused"
