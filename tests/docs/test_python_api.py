"""The Python of docs/python-api.md, of the README and of docs/loss.md runs as it stands, top to bottom, and what its
comments say is so."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from distortion_engine.catalog import AXES

ROOT = Path(__file__).resolve().parents[2]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def execute(page: str, blocks: list[str], names: dict[str, Any]) -> dict[str, Any]:
    """Runs the blocks one after the other in one scope."""
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)  # the shipped text itself
    return names


def test_every_snippet_of_the_page_runs_and_gives_what_it_says(
    sandbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = PYTHON.findall((ROOT / "docs/python-api.md").read_text(encoding="utf-8"))
    assert len(blocks) > 10
    names = execute("python-api.md", blocks, {})
    said = capsys.readouterr().out
    assert "--align" in said and "vsi" in said

    result, height, width = names["result"], 80, 96
    assert result.better in ("a", "b", "tie") and result.margin == result.quality_a - result.quality_b
    assert result.quality_a == 0 > result.quality_b  # a.png is the reference here
    assert all(result.maps[axis.name].shape == (height, width) for axis in AXES) and result.weight.min() > 0
    assert names["left"].margin != result.margin
    assert names["score"].quality == result.quality_b and names["ranking"].order[0] == 0
    assert (sandbox / "report.html").stat().st_size > 10_000

    assert names["value"].requires_grad and torch.isfinite(names["output"].grad).all()
    assert names["rendered"].image.shape == names["reference"].shape == (3, height, width)
    assert names["rendered"].field[names["AXIS_INDEX"]["noise"]].max() == pytest.approx(0.6)
    assert names["severity_for"]("gaussian_blur", names["amount"]) == pytest.approx(0.6)
    assert names["max_severity"]("color_diffusion") < 1
    item = names["item"]
    assert item["images"].shape == (5, 3, 64, 64) and item["images"].dtype == torch.uint8
    assert item["fields"].shape == (5, len(AXES), 64, 64) and item["ranks"][0] == -1
    assert len(names["DISTORTIONS"]) == 67 and len(AXES) == 16
    assert names["ssim_map"](names["batch_b"], names["references"]).shape == (1, 1, height, width)


def test_every_name_of_the_package_is_on_the_page() -> None:
    import relational_iqa

    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")
    shown = {"load", "RelationalLoss"}
    answers = {"Comparison", "Score", "Ranking", "RelationalIQA", "__version__"}  # come back, are not called
    assert set(relational_iqa.__all__) == shown | answers
    assert all(f"relational_iqa.{name}(" in page for name in shown)


def test_the_three_lines_of_the_readme_run(sandbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = PYTHON.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    names = execute("README.md", blocks, {})
    assert capsys.readouterr().out.strip() == names["result"].summary()


def test_the_lines_of_the_loss_run() -> None:
    page = (ROOT / "docs/loss.md").read_text(encoding="utf-8")
    lines = [line[4:] for line in page.splitlines() if line.startswith("    ")]
    output = torch.full((1, 3, 64, 64), 0.4, requires_grad=True)
    ramp = torch.from_numpy(np.linspace(0, 1, 64, dtype=np.float32)).expand(1, 3, 64, 64)
    names = execute("loss.md", ["\n".join(lines)], {"device": "cpu", "F": F, "output": output, "target": ramp})
    assert float(names["value"].detach()) > 0 and output.grad is not None and bool(output.grad.abs().sum() > 0)
