"""A comparison imports what it needs, late modules are whole once they are used, and a quick end loses nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "images"
PAIR = [str(IMAGES / "photo_1.png"), str(IMAGES / "photo_1.png")]
NOT_NEEDED = {
    "IPython", "albumentations", "beartype", "faiss", "jinja2", "kornia", "matplotlib", "onnx", "pandas", "rich",
    "scipy", "sklearn", "skimage", "tensorboard", "torchvision",
    "torch._dynamo", "torch._inductor", "torch.onnx",
    "distortion_engine.catalog", "distortion_engine.distortions", "distortion_engine.generation.generate",
    "relational_iqa.benchmarks.readers.catalog", "relational_iqa.report", "relational_iqa.retrieval",
    "relational_iqa.training", "relational_iqa.web.app",
}  # fmt: skip


def python(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(name="damaged")
def damaged_pair(tmp_path: Path) -> list[str]:
    from PIL import Image

    path = tmp_path / "small.jpg"
    Image.open(PAIR[0]).convert("RGB").save(path, quality=10)
    return [PAIR[0], str(path)]


def test_a_comparison_with_its_sentence_imports_only_what_it_needs(damaged: list[str]) -> None:
    code = "import sys; from relational_iqa.cli import main; main(sys.argv[1:]); print(*sys.modules, sep='\\n')"
    done = python(code, "compare", *damaged)
    imported = set(done.stdout.split("\n"))
    assert "torch" in imported and "relational_iqa.results.regions" in imported
    assert not NOT_NEEDED & imported


@pytest.mark.parametrize("command", ["compare", "score"])
def test_the_program_answers_as_the_command_does(command: str, damaged: list[str], tmp_path: Path) -> None:
    arguments = [command, *damaged] if command == "compare" else [command, damaged[1], "--reference", damaged[0]]
    found = []
    for module in ("relational_iqa.cli", "relational_iqa.program"):
        file = tmp_path / f"{module}.json"
        whole = [sys.executable, "-m", module, *arguments, "--json", str(file)]
        done = subprocess.run(whole, capture_output=True, text=True, check=True)
        content = re.sub(r'"seconds": [0-9.]+', "", file.read_text())
        found.append((done.stdout.replace(str(file), ""), content))
    assert found[0] == found[1]


@pytest.mark.parametrize(("limit", "code"), [("5", 1), ("much", 2)])
def test_the_program_ends_with_the_code_of_its_answer(limit: str, code: int, damaged: list[str]) -> None:
    whole = [sys.executable, "-m", "relational_iqa.program", "compare", *damaged, f"--fail-below={limit}"]
    done = subprocess.run(whole, capture_output=True, text=True, check=False)
    assert done.returncode == code and done.stderr.count("\n") == 1


LATE = """
import sys
from relational_iqa.commands.quick_start import defer_modules
defer_modules()
import torch
late = sys.modules["torch._meta_registrations"]
before = len(vars(late))
shape = torch.nn.functional.conv2d(torch.ones(1, 1, 5, 5), torch.ones(1, 1, 3, 3)).shape
print(before, len(vars(late)), *shape)
print(late.activate_meta.__name__, len(vars(late)) > 300)
"""


def test_a_late_module_of_torch_runs_when_something_of_it_is_used() -> None:
    done = python(LATE)
    (before, after, *shape), used = (line.split() for line in done.stdout.splitlines())
    assert before == after and int(after) < 20 and shape == ["1", "1", "3", "3"], done.stderr
    assert used == ["activate_meta", "True"]


def test_any_module_can_be_late_and_its_errors_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "late_one.py").write_text("print('runs')\nvalue = 3\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from relational_iqa.commands.quick_start import defer_modules\n"
        "defer_modules(['late_one', 'not_there'])\n"
        "import late_one\nprint('imported')\nprint(late_one.value)\n"
        "try: late_one.none\nexcept AttributeError as error: print(error)\n"
        "try: import not_there\nexcept ModuleNotFoundError as error: print(error)\n"
    )
    said = python(code, str(tmp_path)).stdout.splitlines()
    assert said == [
        "imported", "runs", "3", "module 'late_one' has no attribute 'none'", "No module named 'not_there'"
    ]  # fmt: skip


def test_a_quick_end_writes_what_was_printed_and_calls_what_was_registered() -> None:
    code = (
        "import atexit; from relational_iqa.commands.quick_start import end_process\n"
        "atexit.register(print, 'registered')\nprint('printed')\n"
        "try: end_process(7)\nfinally: print('never')\n"
    )
    done = python(code)
    assert (done.returncode, done.stdout) == (7, "printed\nregistered\n")
