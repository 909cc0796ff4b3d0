"""The Python of every page runs as it stands, top to bottom, and what its comments say is so."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from distortion_engine.catalog import AXES
from distortion_engine.reading.image_io import load_image
from relational_iqa import cli
from relational_iqa.networks.resnet import ResNet

ROOT = Path(__file__).resolve().parents[2]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
RUN = {
    "python-api.md",
    "README.md",
    "loss.md",
    "pmos.md",
    "reiqa.md",
    "spips.md",
    "integrations.md",
}  # by the tests below
ELSEWHERE = {
    "generate.md": "tests/distortion_engine/generation/test_generate_docs.py",
    "onnx.md": "tests/relational_iqa/systems/test_onnx.py",
    "adding-a-system.md": "tests/docs/test_adding_a_system.py",
    "gates.md": "tests/relational_iqa/gate/test_pytest_plugin.py",
}


def blocks_of(page: str) -> list[str]:
    """The fenced Python of a page."""
    path = ROOT / page if page == "README.md" else ROOT / "docs" / page
    return PYTHON.findall(path.read_text(encoding="utf-8"))


def execute(page: str, blocks: list[str], names: dict[str, Any]) -> dict[str, Any]:
    """Runs the blocks one after the other in one scope."""
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)  # the shipped text itself
    return names


def test_every_snippet_of_the_page_runs_and_gives_what_it_says(
    sandbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = blocks_of("python-api.md")
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
    assert np.array_equal(names["kept"], result.maps["sharpness"].full()) and names["kept"].any()
    assert np.abs(names["sharpness"] - names["kept"]).max() < 1e-6 and (sandbox / "maps" / "noise.png").exists()
    pages = [(sandbox / name).read_text(encoding="utf-8") for name in ("ranking.html", "league.html")]
    assert ["strongest defects" in page for page in pages] == [False, True]
    assert all('id="viewer"' in page for page in pages) and 'id="plot"' in pages[0]

    assert names["value"].requires_grad and torch.isfinite(names["output"].grad).all()
    assert names["rendered"].image.shape == names["reference"].shape == (3, height, width)
    assert names["rendered"].field[names["AXIS_INDEX"]["noise"]].max() == pytest.approx(0.6)
    assert names["severity_for"]("gaussian_blur", names["amount"]) == pytest.approx(0.6)
    assert names["max_severity"]("color_diffusion") < 1
    item = names["item"]
    assert item.images.shape == (5, 3, 64, 64) and item.images.dtype == torch.uint8
    assert item.fields.shape == (5, len(AXES), 64, 64) and item.ranks[0] == -1
    assert len(names["DISTORTIONS"]) == 74 and len(AXES) == 18
    assert names["ssim_map"](names["batch_b"], names["references"]).shape == (1, 1, height, width)


def test_every_name_of_the_package_is_on_the_page() -> None:
    import relational_iqa

    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")
    shown = {"load", "RelationalLoss"}
    systems = {"pmos", "reiqa", "spips"}  # have pages of their own
    answers = {"Comparison", "Score", "Ranking", "Map", "RelationalIQA", "__version__"}  # come back, are not called
    assert set(relational_iqa.__all__) == shown | answers | systems
    assert all(f"relational_iqa.{name}(" in page for name in shown)


def test_the_three_lines_of_the_readme_run(sandbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = execute("README.md", blocks_of("README.md"), {})
    assert capsys.readouterr().out.strip() == names["result"].summary()


def test_the_lines_of_the_loss_run() -> None:
    page = (ROOT / "docs/loss.md").read_text(encoding="utf-8")
    lines = [line[4:] for line in page.splitlines() if line.startswith("    ")]
    output = torch.full((1, 3, 64, 64), 0.4, requires_grad=True)
    ramp = torch.from_numpy(np.linspace(0, 1, 64, dtype=np.float32)).expand(1, 3, 64, 64)
    names = execute("loss.md", ["\n".join(lines)], {"device": "cpu", "F": F, "output": output, "target": ramp})
    assert float(names["value"].detach()) > 0 and output.grad is not None and bool(output.grad.abs().sum() > 0)


def test_the_lines_of_pmos_run(sandbox: Path) -> None:
    names = execute("pmos.md", blocks_of("pmos.md"), {})
    result = names["result"]
    assert result.pmos.shape == result.roi.shape == result.worst.shape == (80, 96)
    assert result.pmos.dtype == result.roi.dtype == np.float32 and 1 <= result.pmos.min() <= result.pmos.max() <= 5
    mos = np.average(result.pmos.astype(np.float64), weights=result.roi.astype(np.float64))
    assert result.mos == pytest.approx(mos, abs=1e-5)
    assert re.fullmatch(
        r"photo\.jpg: MOS \d\.\d ± \d\.\d of 5 \(\w+\).*; (worst .*|no part stands out)\.", result.summary()
    )
    assert names["picture"].shape == (80, 96, 3) and names["picture"].dtype == np.uint8


def test_the_lines_of_reiqa_run(sandbox: Path) -> None:
    torch.manual_seed(0)
    for expert in ("quality", "content"):  # narrow, in the layout of the authors' files
        state = {f"module.encoder.{name}": value for name, value in ResNet(50, 2).state_dict().items()}
        torch.save({"model": state}, sandbox / f"{expert}_aware_r50.pth")
    assert cli.main(["fit-reiqa", "--rated", "ratings/scores.csv", "--out", "mos.safetensors"]) == 0  # as the page says
    (block,) = blocks_of("reiqa.md")
    names = execute("reiqa.md", [block], {})
    model, reiqa = names["model"], names["reiqa"]
    features = model.features("photo.jpg")
    quality, content = (model.features("photo.jpg", experts) for experts in ("quality", "content"))
    assert features.dtype == np.float32 and np.array_equal(features, np.concatenate([quality, content]))
    full = model.encoders.quality.representation(load_image("photo.jpg")[None])[0].numpy()
    assert np.allclose(quality[: len(full)], full, atol=1e-5) and len(quality) == 2 * len(full)
    score = reiqa.load(regressor="mos.safetensors").score("photo.jpg")
    assert np.isfinite(score) and reiqa.load(regressor="mos.safetensors").score("photo.jpg") == score
    narrow = reiqa.from_checkpoints("quality_aware_r50.pth", "content_aware_r50.pth").features("photo.jpg")
    assert "# the authors' encoders, 8192 features" in block and len(narrow) * 64 // 2 == 8192  # theirs is 64 wide


def test_the_lines_of_spips_run(sandbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = load_image("original.png")[None]
    test = (0.9 * reference).requires_grad_(True)
    names = execute("spips.md", blocks_of("spips.md"), {"test": test, "reference": reference})
    result = names["result"]
    assert result.quality < 0 and capsys.readouterr().out == f"{result.summary()}\n"
    assert names["model"].score("original.png", "original.png").quality == 0
    difference, share = result.maps["semantic"], result.fusion["semantic"]
    assert difference.shape == share.shape == (80, 96)
    assert 0 <= difference.min() <= difference.max() <= 1 and 0 < share.min() <= share.max() < 1
    names["loss"].backward()
    assert test.grad is not None and bool(test.grad.abs().sum() > 0) and bool(test.grad.isfinite().all())


def test_no_page_has_python_that_nobody_runs() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if PYTHON.search(text):
            assert page.name in RUN | ELSEWHERE.keys(), page.name
        outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        indented = re.findall(r"^    ((?:import |from \w[\w.]* import ).*)", outside, re.M)
        assert not indented or page.name == "loss.md", f"{page.name}: {indented}: fence it as python"
    assert all(blocks_of(name) for name in RUN - {"loss.md"})
    assert all(name in (ROOT / test).read_text(encoding="utf-8") for name, test in ELSEWHERE.items())


def test_the_lines_of_integrations_run(sandbox: Path) -> None:
    images = {name: load_image(file) for name, file in (("img_b", "b.jpg"), ("reference", "ref.png"))}
    names = execute("integrations.md", blocks_of("integrations.md"), images)
    assert names["values"].shape == (1,) and names["values"][0] < 0
    page = (ROOT / "docs/integrations.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in names["METRIC_NAMES"])
    assert (names["metric"].lower_better, names["metric"].metric_mode) == (False, "FR")
    assert names["each"].compute().reshape(-1).tolist() == pytest.approx(names["values"].tolist())
    assert names["synthesised"].grad is not None and bool(names["synthesised"].grad.isfinite().all())
