"""The page that runs the networks in a browser: one folder, opened as a file, which can connect to nothing."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import relational_iqa
from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from relational_iqa import cli
from relational_iqa.web.offline_page import RUNTIME_BINARY, RUNTIME_SCRIPT, find_runtime

ROOT = Path(__file__).resolve().parents[3]
# Stands in for onnxruntime-web: it takes the same calls, checks what it is given, and answers with means.
STAND_IN = """
class Tensor { constructor(kind, data, dims) { this.kind = kind; this.data = data; this.dims = dims; } }
const env = { wasm: {} };
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
class InferenceSession {
  static async create(bytes, options) {
    if (new TextDecoder().decode(bytes) !== "networks") { throw new Error("no networks"); }
    if (new TextDecoder().decode(env.wasm.wasmBinary) !== "binary") { throw new Error("no runtime"); }
    return new InferenceSession();
  }
  async run(feeds) {
    const [, , height, width] = feeds.a.dims, size = height * width / 16;
    if (feeds.a.data.length !== 3 * height * width) { throw new Error("shape"); }
    const margin = 10 * (mean(feeds.b.data) - mean(feeds.a.data));
    const maps = new Float32Array(COUNT * size), local = new Float32Array(size).fill(margin);
    maps.fill(0.5, BRIGHTNESS * size, (BRIGHTNESS + 1) * size);
    return {
      margin: new Tensor("float32", [margin], [1]),
      local_margin: new Tensor("float32", local, [1, 1, height / 4, width / 4]),
      maps: new Tensor("float32", maps, [1, COUNT, height / 4, width / 4]),
    };
  }
}
export { Tensor, env, InferenceSession };
"""
NAMES = [axis.name for axis in AXES]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the runtime; the networks, whose export takes half a minute, are replaced too."""

    def export_onnx(path: Path, networks: Any, weights: Any, mode: str) -> dict[str, str]:
        path.write_bytes(b"networks")
        return {"weights": "w", "weights_sha256": "0" * 64, "model_version": "1"}

    monkeypatch.setattr("relational_iqa.web.offline_page.export_onnx", export_onnx)
    folder = tmp_path / "node_modules/onnxruntime-web/dist"
    folder.mkdir(parents=True)
    (folder / RUNTIME_SCRIPT).write_text(
        STAND_IN.replace("COUNT", str(len(NAMES))).replace("BRIGHTNESS", str(NAMES.index("brightness")))
    )
    (folder / RUNTIME_BINARY).write_bytes(b"binary")
    return tmp_path


def choose(browser: Any, role: str, path: Path) -> None:
    """What the dialogue of the browser does."""
    document = browser.send("DOM.getDocument")["root"]["nodeId"]
    node = browser.send("DOM.querySelector", nodeId=document, selector=f"#{role}")["nodeId"]
    browser.send("DOM.setFileInputFiles", nodeId=node, files=[str(path)])
    browser.wait(f"document.getElementById('shown-{role}').hidden === false")


def compared(browser: Any, page: Path, a: Path, b: Path) -> str:
    """What the page says of two files."""
    browser.view(1280, 900)
    browser.open("about:blank#")
    browser.open(page.as_uri())
    choose(browser, "a", a)
    choose(browser, "b", b)
    browser.wait("!document.getElementById('go').disabled")
    browser.click("#go")
    browser.wait("/better|equally|computed/.test(document.getElementById('verdict').textContent)")
    assert browser.errors == []
    own = {f"{page.parent.as_uri()}/{name}" for name in ("index.html", "runtime.js", "networks.js")}
    assert {url for url in browser.requests if not url.startswith(("blob:", "data:"))} == own
    return str(browser.run("document.getElementById('verdict').textContent"))


def test_the_page_is_one_folder_and_says_what_the_networks_say(
    stand_in: Path, tmp_path: Path, browser: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", "--page", f"{tmp_path}/page", "--runtime", str(stand_in)]) == 0
    assert f"page: {tmp_path}/page/index.html" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "page").iterdir()) == ["index.html", "networks.js", "runtime.js"]
    shutil.move(tmp_path / "page", tmp_path / "moved")
    Image.new("RGB", (70, 50), (51, 51, 51)).save(tmp_path / "dark.png")
    Image.new("RGBA", (70, 50), (0, 0, 0, 153)).save(tmp_path / "veil.png")  # over white: 102
    page = tmp_path / "moved/index.html"
    assert compared(browser, page, tmp_path / "dark.png", tmp_path / "veil.png") == "dark.png is better by 2.0 levels."
    assert float(browser.run("document.body.dataset.value")) == pytest.approx(10 * (102 - 51) / 255, abs=1e-4)
    assert "veil.png is brighter" in browser.run("document.getElementById('axes').textContent")
    # It may connect to nothing: neither to other computers nor to this one.
    refused = "fetch('http://127.0.0.1:9/').then(() => 'sent').catch(() => 'refused')"
    assert browser.run(refused) == "refused"
    assert any("Content Security Policy" in error for error in browser.errors)


def test_the_networks_in_a_browser_agree_with_torch(tmp_path: Path, photo_paths: list[Path], browser: Any) -> None:
    place = os.environ.get("RIQA_ONNXRUNTIME_WEB", str(ROOT))
    try:
        find_runtime(place)
    except UsageError:
        pytest.skip("needs onnxruntime-web: npm install onnxruntime-web, in the repository or at RIQA_ONNXRUNTIME_WEB")
    pytest.importorskip("onnx", reason="the extra [onnx]")
    photo = Image.open(photo_paths[0]).convert("RGB").crop((20, 20, 116, 84))
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    photo.save(files[0])
    Image.fromarray((np.asarray(photo) // 40 * 40).astype(np.uint8)).save(files[1])
    assert cli.main(["export", "--page", f"{tmp_path}/page", "--runtime", place]) == 0
    said = compared(browser, tmp_path / "page/index.html", *files)
    margin = relational_iqa.load().compare(*files).margin
    assert float(browser.run("document.body.dataset.value")) == pytest.approx(margin, abs=2e-3)
    assert said == f"a.png is better by {margin:.1f} levels."


def test_a_runtime_that_is_missing_and_options_that_fit_nothing_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv, said in (
        (["--page", f"{tmp_path}/p", "--runtime", str(tmp_path)], "npm install onnxruntime-web"),
        ([], "export needs a file to write, as riqa.onnx, or --page DIR"),
        (["x.onnx", "--runtime", "."], "is for --page DIR"),
        (["--page", "p", "--size", "64x64"], "the page takes images of any size"),
    ):
        assert cli.main(["export", *argv]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
