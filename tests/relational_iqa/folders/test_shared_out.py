"""Folders and data sets shared out: whoever works, the files are the same to the byte."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter

from relational_iqa import cli
from tests.distortion_engine.generation.test_workers import FakeRay

SIZE = 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, photo_paths: list[Path]) -> Path:
    """new and old, four pairs, of which one has a damaged file; and scores.csv, which rates their images."""
    root = tmp_path_factory.mktemp("shared_out")
    rows = [("image", "reference", "score", "scene")]
    for folder, radius in (("ref", 0.0), ("new", 0.5), ("old", 1.5)):
        (root / folder).mkdir()
        for number in range(4):
            scene = (
                Image.open(photo_paths[number % 3]).convert("RGB").crop((9 * number, 30, 9 * number + SIZE, 30 + SIZE))
            )
            scene.filter(ImageFilter.GaussianBlur(radius)).save(root / folder / f"{number}.png")
            if radius:
                rows.append((f"{folder}/{number}.png", f"ref/{number}.png", str(4 - radius), str(number)))
    with open(root / "scores.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (root / "broken").mkdir()
    for number in range(4):
        whole = (root / "old" / f"{number}.png").read_bytes()
        (root / "broken" / f"{number}.png").write_bytes(whole[: 300 if number == 2 else None])
    return root


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """An imitation, which gives results in any order."""
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return fake


def compared(folders: Path, tmp_path: Path, name: str, *more: str) -> tuple[int, dict[str, bytes]]:
    """Exit code, and what was written: table, JSON without facts of the run, and thumbnails of the page."""
    out = tmp_path / name
    argv = ["compare", "new", "broken", "--csv", f"{out}.csv", "--json", f"{out}.json", "--out", str(out)]
    code = cli.main([*argv, "--worst", "0", "--quiet", *more])
    content: dict[str, Any] = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    kept = {key: value for key, value in content.items() if key not in ("index", "meta")}
    page = (out / "index.html").read_text(encoding="utf-8").split("How this was made")[0]
    return code, {"csv": Path(f"{out}.csv").read_bytes(), "json": json.dumps(kept).encode(), "page": page.encode()}


def test_processes_and_a_cluster_write_what_one_process_writes(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ray: FakeRay
) -> None:
    monkeypatch.chdir(folders)
    alone = compared(folders, tmp_path, "alone")
    assert alone[0] == 2 and b"2.png" in alone[1]["csv"]  # the damaged file is a row with an error
    assert compared(folders, tmp_path, "processes", "--workers", "2") == alone
    assert compared(folders, tmp_path, "cluster", "--engine", "ray", "--workers", "3") == alone
    assert ray.started["num_cpus"] == 3 and not ray.open


def test_an_evaluation_on_a_cluster_is_that_of_one_process(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ray: FakeRay
) -> None:
    argv = ["evaluate", "csv", str(folders), "--metric", "psnr,ours,ours-nr", "--bootstrap", "0", "--quiet"]
    for name, more in (("alone", []), ("cluster", ["--engine", "ray", "--address", "head:6379"])):
        assert cli.main([*argv, "--csv", f"{tmp_path}/{name}.csv", *more]) == 0
    assert (tmp_path / "alone.csv").read_bytes() == (tmp_path / "cluster.csv").read_bytes()
    assert ray.started["address"] == "head:6379"


def test_options_of_a_cluster_that_fit_nothing_are_said(
    folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = f"{folders}/new", f"{folders}/old"
    for argv, said in (
        ([f"{new}/0.png", f"{old}/0.png", "--engine", "ray"], "--engine ray is for two folders"),
        ([new, old, "--address", "head:1"], "needs engine ray"),
    ):
        assert cli.main(["compare", *argv]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    assert cli.main(["compare", new, old, "--engine", "ray"]) == 2
    assert "pip install" in capsys.readouterr().err


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
import ray

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
from relational_iqa import cli
code = cli.main([*sys.argv[1:], "--engine", "ray", "--address", cluster.address])
ray.init(address=cluster.address, log_to_driver=False)
print("nodes", sum(node["Alive"] for node in ray.nodes()))
ray.shutdown()
cluster.shutdown()
sys.exit(code)
"""


def test_two_nodes_of_a_real_cluster_write_the_same_bytes(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="the extra [ray]")
    monkeypatch.chdir(folders)
    assert cli.main(["compare", "new", "old", "--csv", f"{tmp_path}/alone.csv", "--quiet"]) == 0
    argv = ["compare", "new", "old", "--csv", f"{tmp_path}/cluster.csv", "--quiet"]
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER, *argv], capture_output=True, text=True, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "nodes 2" in done.stdout
    assert (tmp_path / "cluster.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
