"""riqa export: what onnxruntime computes from the file is what torch computes, at sizes that were never traced."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import save_image
from relational_iqa import cli
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.systems.choices import OnnxMode
from relational_iqa.systems.onnx_export import GRAPHS, export_onnx
from relational_iqa.version import __version__

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = {"name": "random", "sha256": "0" * 64}
# (batch, height, width): none is the size of the trace, and height and width change places.
SIZES = ((1, 96, 80), (2, 80, 96), (3, 32, 144))
# Pooled numbers agree to some 1e-6. In maps a few cells differ by more: a pixel next to a threshold (flat, white,
# unchanged) can fall on its other side when sums are taken in another order. MOST: 99 % of the cells.
POOLED, MOST_CELLS, ANY_CELL = 1e-4, 5e-4, 2e-2


def pairs(scene: Callable[[int, int, int], Tensor], batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """(x, y), each (batch, 3, height, width): scenes, and the same noisier and darker, clipped to black in places."""
    x = torch.stack([scene(height, width, seed) for seed in range(batch)])
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(batch))
    return x, ((x + 0.04 * noise) * 1.2 - 0.2).clamp(0, 1)


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, x: Tensor, y: Tensor) -> dict[str, np.ndarray]:
    names = [value.name for value in session.get_inputs()]
    values = session.run(None, dict(zip(names, (x.numpy(), y.numpy()), strict=True)))
    return dict(zip([value.name for value in session.get_outputs()], values, strict=True))


def assert_close(got: dict[str, np.ndarray], wanted: dict[str, Tensor]) -> None:
    assert list(got) == list(wanted)
    for name, values in wanted.items():
        assert got[name].shape == tuple(values.shape) and got[name].dtype == np.float32
        apart = np.abs(got[name] - values.numpy())
        if values.ndim == 1:
            assert apart.max() < POOLED, name
        else:
            assert np.quantile(apart, 0.99) < MOST_CELLS and apart.max() < ANY_CELL, name


@pytest.fixture(scope="module")
def exported(random_networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> dict[OnnxMode, Path]:
    """A file of every mode."""
    folder = tmp_path_factory.mktemp("onnx")
    paths: dict[OnnxMode, Path] = {}
    for mode in GRAPHS:
        paths[mode] = folder / f"{mode}.onnx"
        export_onnx(paths[mode], random_networks, WEIGHTS, mode)
    return paths


@pytest.fixture(scope="module")
def sessions(exported: dict[OnnxMode, Path]) -> dict[OnnxMode, onnxruntime.InferenceSession]:
    """The files, ready to run."""
    return {mode: session_of(path) for mode, path in exported.items()}


@pytest.mark.parametrize("mode", GRAPHS)
def test_onnxruntime_gives_the_numbers_of_torch_at_sizes_that_were_not_traced(
    mode: OnnxMode,
    sessions: dict[OnnxMode, onnxruntime.InferenceSession],
    random_networks: Networks,
    scene: Callable[[int, int, int], Tensor],
) -> None:
    session, module = sessions[mode], GRAPHS[mode].module(random_networks)
    for size in SIZES:
        x, y = pairs(scene, *size)
        with torch.inference_mode():
            wanted = dict(zip(GRAPHS[mode].outputs, module(x, y), strict=True))
        pooled = wanted["margin" if mode == "compare" else "quality"]
        assert (pooled.abs() > 0.01).all() and wanted["maps"].abs().max() > 0.05  # there is something to agree on
        assert_close(run(session, x, y), wanted)


def test_a_judgement_is_exported_for_any_size_too(tmp_path: Path, scene: Callable[[int, int, int], Tensor]) -> None:
    networks, meta = load_weights("riqa-judged")
    export_onnx(tmp_path / "judged.onnx", networks, meta, "compare")
    session, module = session_of(tmp_path / "judged.onnx"), GRAPHS["compare"].module(networks)
    for size in ((1, 96, 128), (2, 48, 80)):
        x, y = pairs(scene, *size)
        with torch.inference_mode():
            wanted = dict(zip(GRAPHS["compare"].outputs, module(x, y), strict=True))
        assert_close(run(session, x, y), wanted)


def test_swapping_the_inputs_of_the_file_negates_and_equal_images_give_nothing(
    sessions: dict[OnnxMode, onnxruntime.InferenceSession], scene: Callable[[int, int, int], Tensor]
) -> None:
    compare, score = sessions["compare"], sessions["score"]
    x, y = pairs(scene, 1, 64, 96)
    there, back = run(compare, x, y), run(compare, y, x)
    for name in ("maps", "local_margin", "margin"):
        np.testing.assert_allclose(there[name], -back[name], atol=1e-5)
    np.testing.assert_allclose(there["weight"], back["weight"], rtol=1e-5)
    same = run(score, x, x)
    assert np.abs(same["quality"]).max() < 1e-6 and not same["maps"].any() and not same["local_quality"].any()


@pytest.mark.parametrize("mode", GRAPHS)
def test_the_file_says_what_it_is(mode: OnnxMode, exported: dict[OnnxMode, Path]) -> None:
    model = onnx.load(exported[mode])
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["weights_sha256"] == WEIGHTS["sha256"] and facts["model_version"] == __version__
    assert facts["axes"].split(",") == [axis.name for axis in AXES] and facts["mode"] == mode
    assert "[0, 1]" in facts["preprocessing"] and "multiples of 16" in facts["preprocessing"]
    values = [*model.graph.input, *model.graph.output]
    assert [value.name for value in values] == [*GRAPHS[mode].inputs, *GRAPHS[mode].outputs]
    assert all(value.doc_string for value in values)
    shape = [dim.dim_param or dim.dim_value for dim in values[0].type.tensor_type.shape.dim]
    assert shape == ["batch", 3, "height", "width"]
    assert {opset.domain for opset in model.opset_import} == {""}  # nothing but standard operators


def test_a_file_of_one_size_has_it_in_its_shapes_and_the_same_numbers(
    random_networks: Networks, scene: Callable[[int, int, int], Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "fixed.onnx"
    assert export_onnx(path, random_networks, WEIGHTS, "compare", (48, 80))["size"] == "48x80"
    session = session_of(path)
    assert session.get_inputs()[0].shape == [1, 3, 48, 80] and session.get_outputs()[0].shape == [1, len(AXES), 12, 20]
    x, y = pairs(scene, 1, 48, 80)
    with torch.inference_mode():
        wanted = dict(zip(GRAPHS["compare"].outputs, GRAPHS["compare"].module(random_networks)(x, y), strict=True))
    assert_close(run(session, x, y), wanted)


def test_exporting_leaves_the_networks_as_they_were(random_networks: Networks, exported: dict[OnnxMode, Path]) -> None:
    weight = random_networks.distortion.trunk.block.depthwise.weight
    assert exported and weight.is_contiguous(memory_format=torch.channels_last) and not torch.jit.is_tracing()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out.onnx", "--size", "384"], "expected HEIGHTxWIDTH"),
        (["out.onnx", "--size", "100x96"], "multiples of 16"),
        (["out.onnx", "--size", "16x96"], "32 or more"),
        (["out.bin"], "ends in .onnx"),
        (["out.onnx", "--weights", "nothing"], "no weights 'nothing'"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *arguments]) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1 and not list(tmp_path.iterdir())


def test_without_the_package_onnx_the_extra_is_named(
    random_networks: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(UsageError, match=r"relational-iqa\[onnx\]"):
        export_onnx(tmp_path / "out.onnx", random_networks, WEIGHTS)


def test_the_example_of_the_page_runs_on_the_shipped_weights(
    versions: list[Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")
    commands = [line.split("#")[0].split()[1:] for line in page.splitlines() if line.startswith("    riqa export")]
    example = page.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    # Cut by the example to 64 x 80.
    save_image(versions[1][:, :70, :90], "a.png")
    save_image(versions[0][:, :70, :90], "b.png")
    assert cli.main(commands[0]) == 0 and "MB" in capsys.readouterr().out
    names: dict[str, object] = {}
    exec(compile(example, "docs/onnx.md", "exec"), names)  # the shipped text itself
    said = capsys.readouterr().out

    import relational_iqa

    cut = [Image.open(name).convert("RGB").crop((0, 0, 80, 64)) for name in ("a.png", "b.png")]  # rounded to 8 bits
    result = relational_iqa.load().compare(*cut)
    margin = names["margin"]
    assert isinstance(margin, np.ndarray) and margin[0] == pytest.approx(result.margin, abs=0.01)
    assert result.margin < -0.1 and "b.png" in said and "sharpness" in said
