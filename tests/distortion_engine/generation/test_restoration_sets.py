"""riqa generate with restoration outputs: stored like every other kind, and replayed from what is stored."""

import json
import sys
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from distortion_engine.generation import contact_sheet
from distortion_engine.generation.generate import generate, rerender
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import libraries
from distortion_engine.generation.stored_sets import open_sets
from distortion_engine.generation.workers import Workforce
from distortion_engine.recipe import RESTORATION_OUTPUTS, SET_KINDS, Operation, RankedSet, Recipe
from distortion_engine.restoration.sampling import FAMILY_NAMES

IMAGES = Path(__file__).parents[2] / "images"
KINDS = {RESTORATION_OUTPUTS: 0.6, "ladder": 0.4}
OPTIONS = {"sets": 6, "seed": 4, "size_px": 48, "sets_per_shard": 2, "kinds": KINDS, "dense": True}


def distance_judge(test: Tensor, reference: Tensor) -> Tensor:
    return (test - reference).abs().mean((1, 2, 3))[:, None]


def run(out: Path, workers: int = 0, **options) -> Path:
    asked = GenerateOptions(**{**OPTIONS, **options})
    generate(IMAGES, out, asked, distance_judge, Workforce(workers=workers))
    return out


def everything(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def sets_in(out: Path) -> list[dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted((out / "shards").iterdir()):
        with tarfile.open(path) as tar:
            for entry in tar:
                key, _, name = entry.name.partition(".")
                found.setdefault(key, {})[name] = tar.extractfile(entry).read()
    return list(found.values())


def head(out: Path) -> dict:
    return json.loads((out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()[0])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("restored") / "out")


def test_both_kinds_are_written_and_outputs_carry_labels_of_the_judge(written: Path):
    records = [json.loads(files["json"]) for files in sets_in(written)]
    assert {record["kind"] for record in records} == set(KINDS)
    for record in records:
        operated = [bool(member.get("operations")) for member in record["recipe"]["members"]]
        assert operated == [record["kind"] == RESTORATION_OUTPUTS] * 4
        assert len(record["labels"]) == 5 and min(record["judge"][1:]) > 0
        assert record["kind"] != "ladder" or set(record["recipe"]["members"][0]) == {"steps"}


def test_the_bytes_do_not_depend_on_the_number_of_workers_and_a_run_goes_on_to_them(written: Path, tmp_path: Path):
    assert everything(run(tmp_path / "two", workers=2)) == everything(written)
    (tmp_path / "two/shards/ranked-000001.tar").unlink()
    assert everything(run(tmp_path / "two")) == everything(written)


def test_images_fields_and_validity_follow_from_what_is_stored(written: Path):
    for files in sets_in(written):
        record = json.loads(files["json"])
        images, fields, validity = rerender(IMAGES / record["photo"], record)
        stored = [files["reference.png"], *(files[f"member_{number}.png"] for number in range(4))]
        pixels = np.stack([np.array(Image.open(BytesIO(content))).transpose(2, 0, 1) for content in stored])
        assert torch.equal(images, torch.from_numpy(pixels))
        dense = np.load(BytesIO(files["fields.npz"]))
        assert np.array_equal(fields.numpy().astype(np.float16), dense["fields"])
        assert np.array_equal(validity.numpy() > 0, dense["validity"])
        assert not dense["fields"][0].any() and all(field.any() for field in dense["fields"][1:])


def test_the_sheet_names_the_operations_of_each_member(monkeypatch: pytest.MonkeyPatch):
    camera = {"shot": 0.0012345, "read": 0.01, "red": 1.5, "blue": 2.0, "demosaicing": "malvar"}
    recipe = Recipe(operations=(Operation("camera", camera, 1), Operation("bm3d", {"deviation": 0.05})))
    said: list[str] = []
    monkeypatch.setattr(contact_sheet, "write_text", lambda draw, left, top, text, colour=None: said.append(text))
    images, fields = np.zeros((3, 3, 8, 8), np.uint8), np.zeros((3, len(AXES), 8, 8), np.float32)
    ranked = RankedSet(RESTORATION_OUTPUTS, (recipe, Recipe()), (0, 0), certainty=0.0)
    contact_sheet.draw_sheet([contact_sheet.SheetRow("a set", ranked, None, images, fields, fields[:, :1] + 1)])
    assert {
        "camera 0.00123 0.01 1.5",
        "bm3d 0.05",
        "restoration_outputs",
        "in no known order",
        "member 1, no rank",
    } <= set(said)


def test_training_opens_them_by_kind_with_the_certainty_of_their_form(tmp_path: Path):
    sets = open_sets(run(tmp_path, image_format="npy", dense=False, kinds={RESTORATION_OUTPUTS: 1.0}))
    assert [SET_KINDS[kind] for kind in sets.kinds] == [RESTORATION_OUTPUTS] * 6
    assert set(sets.certainty.tolist()) == {0.0, 1.0} and sets.labels.shape == (6, 5, 1)
    for ranks, certainty in zip(sets.ranks.tolist(), sets.certainty.tolist(), strict=True):
        assert ranks == ([-1, 0, 1, 2, 3] if certainty else [-1, 0, 0, 0, 0])


def test_sets_know_which_families_made_their_members_and_those_with_one_can_be_left_out(tmp_path: Path):
    out = run(tmp_path, image_format="npy", dense=False, sets=8, kinds={RESTORATION_OUTPUTS: 1.0})
    sets = open_sets(out)
    recipes = [RankedSet.from_dict(json.loads(files["json"])["recipe"]).members for files in sets_in(out)]
    names = [{operation.name for member in recipe for operation in member.operations} for recipe in recipes]
    assert sets.families is not None and sets.families.shape == (8, len(FAMILY_NAMES))
    for family in ("guided", "neural", "unsharp_mask", "median"):
        used = np.array([family in operations for operations in names])
        assert np.array_equal(sets.families[:, FAMILY_NAMES.index(family)], used)
        if used.any() and not used.all():
            left = sets.without_families([family])
            numbers = np.flatnonzero(~used)
            assert left.source.startswith(f"{len(numbers)} ranked sets") and left.source.endswith(f"without {family}")
            assert all(np.array_equal(left.images[i], sets.images[n]) for i, n in enumerate(numbers))
            assert np.array_equal(left.labels, sets.labels[numbers]) and left.chosen_from is not None
            assert left.whole is sets and np.array_equal(left.chosen_from[1], numbers)
    unused = [name for name in FAMILY_NAMES if not any(name in operations for operations in names)]
    if "bm3d" in unused:  # nothing is left out, but they are still those of the whole
        assert sets.without_families(["bm3d"]).whole is sets and len(sets.without_families(["bm3d"])) == 8
    assert sets.whole is sets
    assert any(0 < sum(family in operations for operations in names) < 8 for family in ("guided", "neural"))


def test_sets_of_which_none_is_left_or_nobody_knows_what_made_them_are_refused(tmp_path: Path):
    sets = open_sets(run(tmp_path, image_format="npy", dense=False, sets=3, kinds={RESTORATION_OUTPUTS: 1.0}))
    assert sets.families is not None
    everywhere = replace(sets, families=np.ones_like(sets.families))
    others = [name for name in FAMILY_NAMES if name != "local_wiener"]
    with pytest.raises(UsageError, match="3 ranked sets .*: none is left without non_local_means, "):
        everywhere.without_families(others)
    with pytest.raises(UsageError, match="not known which algorithms made them"):
        replace(sets, families=None).without_families(["bm3d"])
    with pytest.raises(UsageError, match="'bm4d' is unknown"):
        sets.without_families(["bm4d"])


def test_the_manifest_names_the_libraries_and_networks_that_made_them_and_no_other_manifest_does(
    written: Path, tmp_path: Path
):
    there = head(written)["libraries"]
    added = {"scipy", "scikit-image", "pywavelets", "restoration networks"}
    assert set(there) - set(libraries()) == added and "unknown" not in {there[name] for name in added}
    plain = head(run(tmp_path, sets=1, kinds={"ladder": 1.0}, dense=False))
    assert plain["libraries"] == libraries() and "without_families" not in plain["options"]


def test_families_that_are_left_out_stand_in_the_manifest_and_in_no_recipe(tmp_path: Path):
    left_out = ("guided", "median", "interpolation")
    out = run(tmp_path, sets=8, kinds={RESTORATION_OUTPUTS: 1.0}, without_families=left_out, dense=False)
    assert head(out)["options"]["without_families"] == list(left_out)
    members = [member for files in sets_in(out) for member in json.loads(files["json"])["recipe"]["members"]]
    used = {(o["name"], o["params"].get("interpolation")) for member in members for o in member["operations"]}
    assert not {name for name, _ in used} & {"guided", "median"}
    assert {interpolation for name, interpolation in used if name == "enlarge"} <= {"nearest"}
    with pytest.raises(UsageError, match="without_families guided,median,interpolation there, None asked for"):
        run(tmp_path, sets=8, kinds={RESTORATION_OUTPUTS: 1.0}, dense=False)


@pytest.mark.parametrize("missing", ["skimage.restoration", "pywt"])
def test_a_missing_extra_is_one_line_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r'is not installed: pip install "relational-iqa\[restoration\]"') as caught:
        run(tmp_path)
    assert "\n" not in str(caught.value) and not any(tmp_path.iterdir())
    run(tmp_path / "plain", sets=1, kinds={"ladder": 1.0})
    run(tmp_path / "without", sets=1, without_families=("total_variation", "wavelets"))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"without_families": ("bm4d",)}, "family of algorithms 'bm4d' is unknown; expected some of non_local_means"),
        ({"without_families": ("bm3d",), "kinds": {}}, "give restoration_outputs a weight among the kinds"),
        ({"without_families": ("bm3d",), "kinds": {RESTORATION_OUTPUTS: 0.0, "tie": 1.0}}, "give restoration_outputs"),
    ],
)
def test_families_that_cannot_be_left_out_are_refused_with_the_remedy(option: dict, said: str):
    with pytest.raises(UsageError, match=said):
        GenerateOptions(**{"sets": 1, "kinds": KINDS, **option})
