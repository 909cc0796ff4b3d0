"""The fixture `riqa` as a project uses it: tests are written, run and accepted in a folder of their own."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import relational_iqa
from distortion_engine.errors import ImageError
from relational_iqa.gate.picture_files import as_file
from relational_iqa.gate.snapshots import Snapshots
from tests.relational_iqa.commands.helpers import BrightnessModel

ROOT = Path(__file__).parents[3]
pytest_plugins = "pytester"
PLUGIN = "relational_iqa.gate.pytest_plugin"
INSTALLED = [one.name for one in entry_points(group="pytest11") if one.value == PLUGIN]
OURS = [*([] if INSTALLED else ["-p", PLUGIN]), "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "default", "-q"]
GREY = """
import numpy as np
import pytest

def grey(value):
    return np.full((30, 40, 3), value, np.uint8)
"""


@pytest.fixture(name="model", autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> BrightnessModel:
    """The darker picture is the better one."""
    model = BrightnessModel()
    monkeypatch.setattr(relational_iqa, "load", lambda: model, raising=False)
    return model


def write(pytester: pytest.Pytester, body: str) -> None:
    pytester.makepyfile(test_looks=GREY + body)


def ran(pytester: pytest.Pytester, *options: str, **outcomes: int) -> str:
    """Runs the tests; AssertionError where the outcomes are others."""
    result = pytester.runpytest_inprocess(*OURS, *options)
    result.assert_outcomes(**outcomes)
    return result.stdout.str()


def test_a_picture_is_accepted_then_passes_and_fails_where_it_is_worse(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "def test_face(riqa):\n    riqa.assert_not_worse(grey({}), 'face')\n"
    write(pytester, body.format(100))
    said = ran(pytester, failed=1)
    assert "face: has no accepted picture in" in said
    assert "if this is meant: pytest --riqa-accept test_looks.py::test_face" in said

    ran(pytester, "--riqa-accept", passed=1)
    folder = pytester.path / "__riqa__" / "test_looks"
    assert sorted(path.name for path in folder.iterdir()) == ["face.png", "riqa.toml"]
    first = (folder / "riqa.toml").read_bytes()
    ran(pytester, "--riqa-accept", passed=1)
    assert (folder / "riqa.toml").read_bytes() == first

    with monkeypatch.context() as patch:
        patch.setattr(relational_iqa, "load", None, raising=False)  # calling it would fail: no model is needed
        ran(pytester, passed=1)
    write(pytester, body.format(102))
    ran(pytester, passed=1)  # within the tolerance
    assert not (pytester.path / "riqa-evidence").exists()

    write(pytester, body.format(120))
    said = ran(pytester, failed=1)
    assert "face: 0.8 levels worse than the accepted picture (allowed: 0.1)" in said
    assert "riqa.assert_not_worse(grey(120), 'face')" in said and "def assert_not_worse" not in said
    evidence = pytester.path / "riqa-evidence" / "test_looks"
    assert np.array_equal(np.array(Image.open(evidence / "face.png")), np.full((30, 40, 3), 120))
    assert "Accepted is clearly better" in (evidence / "face.html").read_text(encoding="utf-8")
    assert str(evidence / "face.html") in said

    ran(pytester, "--riqa-accept", passed=1)
    state = tomllib.loads((folder / "riqa.toml").read_text(encoding="utf-8"))["accepted"]["face"]
    assert state["margin"] == pytest.approx(-0.784, abs=1e-3)  # what was accepted can be reviewed
    ran(pytester, passed=1)


def test_tolerances_come_from_the_call_or_from_the_file(pytester: pytest.Pytester, model: BrightnessModel) -> None:
    call = "def test_face(riqa):\n    riqa.assert_not_worse(grey({}), 'face'{})\n"
    write(pytester, call.format(100, ""))
    ran(pytester, "--riqa-accept", passed=1)
    write(pytester, call.format(120, ", margin=1"))
    ran(pytester, passed=1)
    write(pytester, call.format(120, ", margin=1, strength={'brightness': 0.01}"))
    ran(pytester, passed=1)  # too faint for a defect
    write(pytester, call.format(150, ", margin=9, strength={'brightness': 0.1}"))
    assert "brighter than the accepted picture: brightness 0.20 (allowed: 0.1)" in ran(pytester, failed=1)
    write(pytester, call.format(120, ", margin=-1"))
    assert "riqa.assert_not_worse: margin is -1, expected a number from 0" in ran(pytester, failed=1)
    write(pytester, call.format(120, ""))
    values = pytester.path / "__riqa__/test_looks/riqa.toml"
    values.write_text("[tolerance]\nmargin = 2\n" + values.read_text(encoding="utf-8"), encoding="utf-8")
    ran(pytester, passed=1)


def test_what_cannot_be_told_is_a_warning(pytester: pytest.Pytester, model: BrightnessModel) -> None:
    call = "def test_face(riqa):\n    riqa.assert_not_worse(grey({}), 'face'{})\n"
    write(pytester, call.format(100, ""))
    ran(pytester, "--riqa-accept", passed=1)
    model.confidence = 0.7
    write(pytester, call.format(120, ""))
    said = ran(pytester, passed=1, warnings=1)
    assert "UndecidedWarning: face: cannot tell whether it is 0.8 levels worse than the accepted picture" in said
    write(pytester, call.format(120, ", confidence=0.6"))
    ran(pytester, failed=1)
    write(pytester, call.format(120, ", reference=grey(90)"))
    ran(pytester, failed=1)  # the reference makes it certain
    write(pytester, call.format(100, ", reference=grey(90)"))
    ran(pytester, passed=1)


def test_a_picture_that_was_changed_by_hand_and_a_name_that_is_taken_fail(pytester: pytest.Pytester) -> None:
    one = "@pytest.mark.parametrize('number', [1, 2])\ndef test_face(riqa, number):\n"
    write(pytester, one + "    riqa.assert_not_worse(grey(100), f'face {number}')\n")
    ran(pytester, "--riqa-accept", passed=2)
    Image.new("RGB", (40, 30)).save(pytester.path / "__riqa__/test_looks/face 1.png")
    assert "is not the picture that was accepted" in ran(pytester, failed=1, passed=1)
    write(pytester, one + "    riqa.assert_not_worse(grey(100), 'face 2')\n")
    assert "face 2: is the name of a picture of test_looks.py::test_face[1], too" in ran(pytester, failed=1, passed=1)
    for name in ("../face", "a/b", "", ".hidden", "x."):
        write(pytester, f"def test_face(riqa):\n    riqa.assert_not_worse(grey(1), {name!r})\n")
        assert "is no name of a picture" in ran(pytester, "--riqa-accept", failed=1)


def test_a_file_is_kept_as_it_is_and_another_format_replaces_it(pytester: pytest.Pytester) -> None:
    Image.new("RGB", (40, 30), (90, 100, 110)).save(pytester.path / "out.jpg")
    write(pytester, "def test_face(riqa):\n    riqa.assert_not_worse('out.jpg', 'face')\n")
    ran(pytester, "--riqa-accept", passed=1)
    kept = pytester.path / "__riqa__/test_looks/face.jpg"
    assert kept.read_bytes() == (pytester.path / "out.jpg").read_bytes()
    write(pytester, "def test_face(riqa):\n    riqa.assert_not_worse(grey(90), 'face')\n")
    ran(pytester, passed=1)
    ran(pytester, "--riqa-accept", passed=1)
    assert sorted(path.name for path in kept.parent.iterdir()) == ["face.png", "riqa.toml"]


def test_a_relative_path_is_looked_up_beside_the_test_too(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("looks")
    Image.new("RGB", (40, 30), (90, 100, 110)).save(folder / "out.png")
    (folder / "test_looks.py").write_text(
        "def test_face(riqa):\n    riqa.assert_not_worse('out.png', 'face', reference='none.png')\n"
    )
    said = ran(pytester, failed=1)
    assert re.search(
        r"ImageError: the reference of face: none.png: no such file, neither in \S+ nor beside test_l", said
    )
    (folder / "test_looks.py").write_text("def test_face(riqa):\n    riqa.assert_not_worse('out.png', 'face')\n")
    ran(pytester, "--riqa-accept", passed=1)
    assert (folder / "__riqa__/test_looks/face.png").exists()


def test_images_of_a_program_are_kept_without_loss() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (20, 24, 3)).astype(np.uint16)
    import imagecodecs

    def decoded(image: object) -> np.ndarray:
        content, suffix = as_file(image, "x")
        assert suffix == ".png" and as_file(image, "x") == (content, suffix)
        return np.asarray(imagecodecs.png_decode(content))

    assert np.array_equal(decoded(deep), deep)
    assert np.array_equal(decoded((deep >> 8).astype(np.uint8)), deep >> 8)
    assert np.array_equal(decoded(deep / 65535), deep)
    tensor = torch.from_numpy(deep.astype(np.float32) / 65535).permute(2, 0, 1)
    assert np.array_equal(decoded(tensor), deep) and np.array_equal(decoded(tensor[None]), deep)
    assert np.array_equal(decoded(Image.fromarray((deep >> 8).astype(np.uint8))), deep >> 8)
    assert np.array_equal(decoded(deep[..., 0]), deep[..., 0])


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((3, 20, 24), np.uint8), r"array \(3, 20, 24\), expected \(H, W, 3\)"),
        (np.full((20, 24, 3), 1.5), "floats outside"),
        (np.full((20, 24, 3), np.nan), "floats outside"),
        (np.zeros((20, 24, 3), np.int64), "samples of int64"),
        (torch.zeros(20, 24, 3), r"tensor \(20, 24, 3\), expected \(3, H, W\)"),
        ([1, 2], "is list; give a path"),
        ("movie.mp4", "movie.mp4 ends in '.mp4'"),
    ],
)
def test_what_is_no_image_is_refused(image: object, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        as_file(image, "face")


def test_the_project_offers_the_plug_in_and_it_imports_nothing_heavy_before_it_is_used(tmp_path: Path) -> None:
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert offered == {"pytest11": {"riqa": PLUGIN}}
    code = f"import sys, {PLUGIN}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torch", "numpy", "PIL", "cv2", "imagecodecs", "jinja2"} & set(done.stdout.split())


def test_an_unchanged_picture_passes_without_importing_anything_heavy(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (90, 100, 110)).save(tmp_path / "out.jpg")
    snapshots = Snapshots(tmp_path / "__riqa__" / "test_looks", BrightnessModel, tmp_path / "evidence")
    assert snapshots.accept("face", tmp_path / "out.jpg")
    code = (
        "import sys\nfrom pathlib import Path\nfrom relational_iqa.gate.snapshots import Snapshots\n"
        "snapshots = Snapshots(Path(sys.argv[1], '__riqa__', 'test_looks'), None, Path('evidence'))\n"
        "print(snapshots.verdict('face', Path(sys.argv[1], 'out.jpg'), None, None)[0].status, *sys.modules)"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    status, *modules = done.stdout.split()
    assert status == "unchanged" and not {"torch", "numpy", "PIL", "cv2", "jinja2"} & set(modules)


def test_the_page_of_the_docs_has_the_options_of_the_plug_in() -> None:
    page = (ROOT / "docs/gates.md").read_text(encoding="utf-8")
    source = (ROOT / "relational_iqa/gate/pytest_plugin.py").read_text(encoding="utf-8")
    options = re.findall(r'"(--riqa-[\w-]+)"', source)
    assert len(options) == 2 and all(option in page for option in options)


def test_the_lines_of_the_page_run(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs/gates.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(def test_.*?)^```", page, re.M | re.S)
    of_the_reader = "\ndef load(name):\n    return grey(100)\n\ndef denoise(image):\n    return image + 1\n\n"
    for name in ("portrait.png", "portrait_noisy.png"):
        Image.fromarray(np.full((30, 40, 3), 100, np.uint8)).save(pytester.path / name)
    write(pytester, of_the_reader + example)
    ran(pytester, "--riqa-accept", passed=1)
    ran(pytester, passed=1)
