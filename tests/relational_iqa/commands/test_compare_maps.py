"""riqa compare --maps: the maps of two images, and of every pair of two folders."""

import json
from pathlib import Path

import pytest
from PIL import Image

from relational_iqa import cli
from relational_iqa.results.map_files import load_maps
from tests.relational_iqa.commands.helpers import BrightnessModel, Refusal


def test_the_maps_of_two_images_are_written_and_the_json_names_the_folder(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, result = tmp_path / "new" / "maps", tmp_path / "r.json"
    assert cli.main(["compare", dark, bright, "--maps", str(folder), "--json", str(result)]) == 0
    said = capsys.readouterr().out
    assert f"maps: {folder}\n" in said and "add --out" not in said
    assert json.loads(result.read_text())["maps"] == str(folder)
    assert load_maps(folder / "maps.npz")["brightness"].mean() == pytest.approx(0.2, abs=0.01)
    with Image.open(folder / "brightness.png") as picture:
        assert picture.width >= 40 and picture.height > 30


def test_maps_never_replace_an_input(model: BrightnessModel, dark: str, tmp_path: Path, refusal: Refusal) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "noise.png")
    before = (tmp_path / "noise.png").read_bytes()
    assert "noise.png: is an input" in refusal("compare", dark, f"{tmp_path}/noise.png", "--maps", str(tmp_path))
    assert (tmp_path / "noise.png").read_bytes() == before
    assert "is a file; give a folder" in refusal("compare", dark, dark, "--maps", f"{tmp_path}/noise.png")


def test_every_pair_of_two_folders_gets_a_sub_folder(
    model: BrightnessModel, tmp_path: Path, refusal: Refusal, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, grey in (("new", 60), ("old", 90)):
        for name in ("x", "city/y"):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (grey, grey, grey)).save(path)
    new, old, maps = str(tmp_path / "new"), str(tmp_path / "old"), tmp_path / "maps"
    assert cli.main(["compare", new, old, "--maps", str(maps)]) == 0
    assert f"maps, a folder for each pair: {maps}\n" in capsys.readouterr().out
    assert (maps / "x" / "noise.png").exists() and (maps / "city" / "y" / "maps.npz").exists()
    for inside in (new, f"{old}/maps"):
        assert "lies within" in refusal("compare", new, old, "--maps", inside)
