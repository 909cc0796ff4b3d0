"""The command riqa as people start it: help, exit codes, and the shipped weights on the shipped demo images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from relational_iqa import cli

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "experiments" / "demo"
SKYLINE = [str(DEMO / name) for name in ("skyline.jpg", "skyline.avif")]
REFERENCE = str(DEMO / "skyline_reference.webp")
LOBSTER = [str(DEMO / name) for name in ("lobster_nlm.webp", "lobster_median.webp")]


def riqa(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "relational_iqa.cli", *argv], capture_output=True, text=True, cwd=ROOT)


# The program as people start it


def test_help_is_quick_because_heavy_imports_wait() -> None:
    code = (
        "import sys; from relational_iqa.cli import COMMANDS; from relational_iqa.commands.parser import build_parser; "
        "build_parser(COMMANDS).format_help(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_help_names_every_command() -> None:
    done = riqa("--help")
    assert done.returncode == 0 and all(name in done.stdout for name in cli.COMMANDS)


def test_the_program_ends_with_code_2_and_no_traceback(tmp_path: Path) -> None:
    for argv in (["compare", "no.png", "no2.png"], ["compare"], ["pretrain", "--config", "no.yaml"]):
        done = riqa(*argv)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("riqa: ") and done.stderr.count("\n") == 1


# The real thing: shipped weights on the shipped demo images


def test_riqa_compare_prefers_avif_to_jpeg_of_the_same_size_and_writes_the_report(tmp_path: Path) -> None:
    report, result = tmp_path / "report.html", tmp_path / "result.json"
    done = riqa("compare", *SKYLINE, "--reference", REFERENCE, "--out", str(report), "--json", str(result))
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("skyline.avif is ") and f"report: {report}" in done.stdout
    content = json.loads(result.read_text())
    assert content["better"] == "b" and content["has_reference"] and max(content["quality"].values()) < 0
    page = report.read_text()
    assert len(page) > 100_000 and 'src="http' not in page and "skyline.avif" in page


def test_riqa_compare_without_reference_gives_a_verdict_and_swapping_negates_it() -> None:
    contents = []
    for pair in (LOBSTER, LOBSTER[::-1]):
        done = riqa("compare", *pair, "--json", "-")
        assert done.returncode == 0
        contents.append(json.loads(done.stdout))
    assert contents[0]["margin"] == pytest.approx(-contents[1]["margin"], rel=1e-6)
    assert contents[0]["quality"] is None and contents[0]["axes"]


def test_riqa_rank_and_score_agree_on_the_demo_pair() -> None:
    done = riqa("rank", *SKYLINE, REFERENCE, "--reference", REFERENCE)
    assert done.returncode == 0 and done.stdout.startswith("skyline_reference.webp is best, then skyline.avif")
    done = riqa("score", *SKYLINE, REFERENCE, "--reference", REFERENCE, "--json", "-")
    jpeg, avif, same = (score["quality"] for score in json.loads(done.stdout)["scores"])
    assert done.returncode == 0 and jpeg < avif < same == 0
