"""The evaluation of SPIPS counts order rightly, holds SPIPS against its parts, and asks people only when told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import save_image
from experiments.spips import ablate
from experiments.spips import evaluate as command
from experiments.spips.evaluate import (
    FULL,
    KINDS,
    OUTPUTS,
    conventional_scorers,
    measure_order,
    measure_people,
    order_rows,
    scorers_of,
)
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.networks.spips_quality import STREAMS
from relational_iqa.networks.spips_stages import StageSpips
from relational_iqa.storage.spips_weights import save_spips_weights
from relational_iqa.systems.spips import SPIPS
from tests.relational_iqa.networks.small_stages import SMALL, small_stage_spips

ROOT = Path(__file__).parents[3]


def error(test: Tensor, reference: Tensor) -> Tensor:
    return -(test - reference).abs().mean((1, 2, 3))


def reverse(test: Tensor, reference: Tensor) -> Tensor:
    return -error(test, reference)


def error_judge(test: Tensor, reference: Tensor) -> Tensor:
    return 0.01 * -error(test, reference)[:, None]  # so little that it never contradicts a set


def test_a_metric_and_its_reverse_share_the_pairs_between_them(photo_paths: list[Path]) -> None:
    order = measure_order({"error": error, "reverse": reverse}, photo_paths, error_judge, 2, 48)
    for kind in KINDS:
        for one, other in zip(order.right["error"][kind], order.right["reverse"][kind], strict=True):
            assert len(one) == len(other) >= 4 and sum(pristine for pristine, _ in one) == 4
            assert not any(x and y for (_, x), (_, y) in zip(one, other, strict=True))
    rows = order_rows(order)
    title = "constructed order, all kinds"
    assert rows[0].name == title and rows[0].value is not None and rows[0].value > 0.75
    assert rows[1].name == "reverse" and rows[1].part and rows[1].value is not None and rows[1].value < 0.25
    agreement = rows[-2:]
    assert agreement[0].value == pytest.approx(1) and agreement[1].value == pytest.approx(-1)
    assert len(order.consensus) == len(order.qualities["error"]) == 5 * 2 * 4  # kinds and cross-type, sets, members
    outputs = order.right["error"][OUTPUTS]
    assert len(outputs) == 2 and sum(pristine for pairs in outputs for pristine, _ in pairs) == 2 * 4
    assert order.unanimous["error"] == [[]] * 12  # this judge sees next to no difference


def test_pairs_of_outputs_on_which_all_metrics_agree_are_counted_on_their_own(photo_paths: list[Path]) -> None:
    def two_judges(test: Tensor, reference: Tensor) -> Tensor:
        loss = -error(test, reference)
        return torch.stack([3 * loss, 4 * loss + 0.3 * (test.mean((1, 2, 3)) > reference.mean((1, 2, 3)))], 1)

    order = measure_order({"error": error, "reverse": reverse}, photo_paths, two_judges, 2, 48)
    answers = [answer for pairs in order.unanimous["error"] for answer in pairs]
    assert answers and all(answers) and not any(x for pairs in order.unanimous["reverse"] for x in pairs)
    row = next(row for row in order_rows(order) if row.name == "outputs of algorithms, pairs of one mind")
    assert row.value == 1 and f"{len(answers)} pairs" in row.samples


def test_variants_on_one_backbone_look_once_and_score_as_they_do_alone(
    versions: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {
        str(streams): SPIPS(small_stage_spips(versions, replace(SMALL, streams=streams)), {})
        for streams in (STREAMS, STREAMS[:4], STREAMS[3:])
    }
    own = SPIPS(SpipsNetwork(SpipsArchitecture(width=4, hidden=8)), {})
    other = small_stage_spips([photo.flip(-1) * 0.5 for photo in versions])
    looks = 0
    see = StageSpips.see

    def counted(self: StageSpips, *pair: Tensor) -> Any:
        nonlocal looks
        looks += 1
        return see(self, *pair)

    scorers = scorers_of({**models, "own": own, "other": SPIPS(other, {})})
    for size in (80, 70):
        test = torch.stack(versions)[..., :size, :]
        reference = test[:1].expand_as(test)
        with torch.inference_mode():
            alone = {name: model.quality_batch(test, reference) for name, model in models.items()}
            with monkeypatch.context() as patch:
                patch.setattr(StageSpips, "see", counted)
                found = {name: scorer(test, reference) for name, scorer in scorers.items()}
        # One look for each backbone; other sizes are padded first, so that every model is asked as a whole.
        assert looks == 2 or size == 70
        for name, expected in alone.items():
            torch.testing.assert_close(found[name], expected)
        torch.testing.assert_close(found["own"], own.quality_batch(test, reference))


def test_without_a_judge_nothing_is_said_about_a_consensus(photo_paths: list[Path]) -> None:
    rows = order_rows(measure_order({"error": error}, photo_paths, None, 1, 48))
    assert len(rows) == 3 + len(KINDS) and not any("consensus" in row.name for row in rows)


def test_conventional_parts_are_turned_so_that_higher_is_better(versions: list[Tensor]) -> None:
    photo, worse = versions[0][None], versions[1][None]
    better = torch.lerp(photo, worse, 0.3)
    scorers = conventional_scorers()
    assert list(scorers) == ["PSNR", "SSIM", "MS-SSIM"]
    assert all(scorer(photo, photo) > scorer(better, photo) > scorer(worse, photo) for scorer in scorers.values())


@pytest.fixture
def rated(tmp_path: Path, versions: list[Tensor]) -> Path:
    """An invented set: scores fall with darkness, whatever noise says."""
    folder = tmp_path / "made_up"
    folder.mkdir()
    save_image(versions[0], folder / "r.png")
    lines = ["image,reference,score"]
    for level in range(5):
        save_image(versions[0] * (1 - 0.1 * (level + 1)), folder / f"{level}.png")
        lines.append(f"{level}.png,r.png,{9 - level}")
    (folder / "scores.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_spips_has_to_beat_its_best_conventional_part_with_people(rated: Path) -> None:
    for scorer, value, holds in ((error, 1.0, True), (reverse, -1.0, False)):
        rows, details = measure_people({FULL: scorer, **conventional_scorers()}, rated, ["made_up"])
        assert rows[0].value == pytest.approx(value) and rows[0].must == pytest.approx(1.0)
        assert rows[0].holds is holds and [row.name for row in rows[1:]] == ["PSNR", "SSIM", "MS-SSIM"]
        assert details["made_up"][FULL]["krcc"] == pytest.approx(value)
    table = rated / "made_up/scores.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("0.png,r.png", "0.png,"), encoding="utf-8")
    with pytest.raises(UsageError, match="no reference"):
        measure_people({FULL: error, **conventional_scorers()}, rated, ["made_up"])


def test_the_command_writes_the_table_with_every_ablation_found(
    tmp_path: Path, rated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    for path, streams in (("full", STREAMS), ("ablation/without-semantic", STREAMS[:4])):
        network = SpipsNetwork(SpipsArchitecture(streams, 4, hidden=8))
        save_spips_weights(tmp_path / f"{path}.safetensors", network)
    monkeypatch.setattr("experiments.spips.evaluate.list_photos", lambda folder, split: sorted(folder.glob("*.png")))
    monkeypatch.setattr("experiments.spips.evaluate.RATED", ("made_up",))
    monkeypatch.setattr("relational_iqa.training.data.judge.metric_judge", error_judge)
    arguments = ["--weights", str(tmp_path / "full.safetensors"), "--ablation", str(tmp_path / "ablation")]
    arguments += ["--photos", str(ROOT / "tests/images"), "--sets", "1", "--size", "48", "--out", str(tmp_path / "out")]
    assert command.main(arguments) == 0
    table = (tmp_path / "out/table.md").read_text(encoding="utf-8")
    assert "ablation, without-semantic" in table and "people" not in table and table in capsys.readouterr().out
    written: dict[str, Any] = json.loads((tmp_path / "out/result.json").read_text(encoding="utf-8"))
    assert written["weights"]["name"] == "full" and list(written["ablations"]) == ["without-semantic"]
    assert written["people"] == {}
    assert command.main(["--weights", "absent", "--out", str(tmp_path / "out")]) == 2


@pytest.mark.parametrize("config_of", ["own_backbone", "cpu"])
@pytest.mark.parametrize(("source", "other"), [("pair", "reference"), ("reference", "pair")])
def test_each_ablation_changes_one_thing_and_nothing_else(
    source: Any, other: Any, config_of: str, tmp_path: Path
) -> None:
    path = ROOT / f"experiments/spips/{config_of}.yaml"
    shipped = ablate.parse_config(ablate.yaml.safe_load(path.read_text(encoding="utf-8")))
    part = "architecture" if shipped.stages is None else "stages"
    config = replace(shipped, **{part: replace(getattr(shipped, part), shares_from=source)})
    found = ablate.variants(config, tmp_path, 90)
    designs = {name: getattr(one, part) for name, one in found.items()}
    assert {name: set(STREAMS) - set(design.streams) for name, design in designs.items()} == {
        "all-streams": set(),
        "without-semantic": {"semantic"},
        "without-perceptual": {"perceptual"},
        "without-conventional": {"psnr", "ssim", "ms_ssim"},
        f"shares-from-{other}": set(),
    }
    assert designs[f"shares-from-{other}"] == replace(getattr(config, part), shares_from=other)
    assert [design.shares_from for design in designs.values()] == 4 * [source] + [other]
    # As many steps for each, not as much time: what else the machine does is no advantage to any of them.
    expected = replace(config.train, steps=90, max_seconds=None)
    assert all(one.train == expected and one.data == config.data for one in found.values())
    assert all(one.sources == config.sources for one in found.values())
    assert len({one.out for one in found.values()}) == 5
    assert all(one.train == config.train for one in ablate.variants(config, tmp_path, None).values())
    assert ablate.main(["--config", str(tmp_path / "absent.yaml")]) == 2
