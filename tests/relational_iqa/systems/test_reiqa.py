"""Re-IQA for users: features, encoders and regressors on disk, scores; files that do not fit are named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.regression import ALPHAS, fit_regressor, ridge
from relational_iqa.benchmarks.splits import cross_validate
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.moment_encoder import MomentEncoder, MomentSize
from relational_iqa.networks.reiqa import ReIQAEncoders
from relational_iqa.networks.resnet import ResNet
from relational_iqa.storage.regressor import load_regressor
from relational_iqa.storage.tensor_file import write_tensors
from relational_iqa.systems import reiqa
from relational_iqa.systems.reiqa import ReIQA, from_checkpoints, save_encoders


@pytest.fixture(scope="module")
def encoders() -> ReIQAEncoders:
    torch.manual_seed(0)
    return ReIQAEncoders(ResNet(18, 2), ResNet(18, 3)).eval()


@pytest.fixture(scope="module")
def weights(encoders: ReIQAEncoders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reiqa") / "tiny.safetensors"
    save_encoders(path, encoders)
    return path


def rated_features(number: int = 60, length: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(number, length)) * 10 ** rng.uniform(-2, 2, length) + 5
    scores = 50 + 3 * (features[:, 0] - 5) / features[:, 0].std() + 0.1 * rng.normal(size=number)
    return features, scores


# -- features ----------------------------------------------------------------------------------------------------------


def test_features_are_quality_then_content_at_two_scales(weights: Path, photos: list[Tensor]) -> None:
    model = reiqa.load(weights)
    quality, content = (model.features(photos[0], expert) for expert in ("quality", "content"))
    both = model.features(photos[0])
    assert quality.shape == (2 * 16,) and content.shape == (2 * 24,) and both.dtype == np.float32
    assert np.array_equal(both, np.concatenate([quality, content]))
    batch = model.features_of_batch(torch.stack([photos[0], photos[1]]))
    assert np.allclose(batch[0], both, atol=1e-5) and not np.allclose(batch[1], both, atol=1e-3)


def test_features_of_a_file_are_those_of_its_pixels(
    weights: Path, photo_paths: list[Path], photos: list[Tensor]
) -> None:
    model = reiqa.load(weights)
    assert np.array_equal(model.features(photo_paths[1]), model.features(photos[1]))


def test_encoders_come_back_from_disk_bit_for_bit(weights: Path, encoders: ReIQAEncoders, tmp_path: Path) -> None:
    model = reiqa.load(weights)
    loaded = model.encoders.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in encoders.state_dict().items())
    again = tmp_path / "again.safetensors"
    assert save_encoders(again, encoders) == model.meta["sha256"] and again.read_bytes() == weights.read_bytes()
    half = tmp_path / "half.safetensors"
    save_encoders(half, encoders, half_precision=True)
    assert half.stat().st_size < 0.65 * weights.stat().st_size
    image = torch.rand(3, 48, 48)
    assert np.allclose(reiqa.load(half).features(image), model.features(image), atol=0.02)


def test_a_backbone_of_both_experts_is_stored_once(tmp_path: Path) -> None:
    torch.manual_seed(3)
    backbone = EfficientNetLite(BackboneArchitecture(taps=(-1, 0, 1))).eval()
    encoders = ReIQAEncoders(
        MomentEncoder(backbone, MomentSize((-1, 0), 4)), MomentEncoder(backbone, MomentSize((0, 1), 4))
    )
    sha256 = save_encoders(tmp_path / "x.safetensors", encoders)
    model = reiqa.load(tmp_path / "x.safetensors")
    assert model.meta["sha256"] == sha256 and model.encoders.one_backbone
    stored = load_file(tmp_path / "x.safetensors")
    assert not any(name.startswith("quality.backbone.") for name in stored)
    image = torch.rand(3, 48, 40)
    assert np.array_equal(model.features(image), ReIQA(encoders, {}).features(image))
    features = model.features(image, "content")
    with torch.inference_mode():
        embedding = encoders.content(image[None])[0].numpy()
    assert np.array_equal(features[model.embedding_columns("content")][: len(embedding)], embedding)


def test_two_resnets_of_the_former_format_are_still_read(encoders: ReIQAEncoders, tmp_path: Path) -> None:
    facts = {"quality": {"depth": 18, "width": 2}, "content": {"depth": 18, "width": 3}, "opinions": "none"}
    write_tensors(tmp_path / "old.safetensors", "reiqa-encoders 1", encoders.state_dict(), facts)
    image = torch.rand(3, 40, 40)
    found = reiqa.load(tmp_path / "old.safetensors").features(image)
    assert np.array_equal(found, ReIQA(encoders, {}).features(image))


def test_encoders_of_published_checkpoints_load_by_path(encoders: ReIQAEncoders, tmp_path: Path) -> None:
    state = {f"module.encoder.{name}": v for name, v in encoders.quality.backbone.state_dict().items()}
    torch.save({"model": {**state, "module.head.0.weight": torch.zeros(2, 2)}}, tmp_path / "quality_aware.pth")
    save_file(encoders.content.backbone.state_dict(), tmp_path / "content.safetensors")
    model = from_checkpoints(tmp_path / "quality_aware.pth", tmp_path / "content.safetensors")
    image = torch.rand(3, 40, 40)
    assert np.array_equal(model.features(image), ReIQA(encoders, {}).features(image))
    assert "1 not used (module.head.0.weight)" in model.meta["loaded"][0] and "all used" in model.meta["loaded"][1]


@pytest.mark.parametrize("fault", ["foreign", "cut", "missing"])
def test_foreign_and_damaged_encoders_are_refused(fault: str, weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    if fault == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    elif fault == "cut":
        path.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UsageError, match="x.safetensors"):
        reiqa.load(path)


# -- regression --------------------------------------------------------------------------------------------------------


def test_ridge_equals_its_closed_form() -> None:
    features, scores = rated_features()
    fitted = fit_regressor(features, scores)
    z = (features - features.mean(0)) / features.std(0)
    alpha = fitted.facts["alpha"]
    expected = np.linalg.solve(z.T @ z + alpha * np.eye(z.shape[1]), z.T @ (scores - scores.mean()))
    assert np.allclose(fitted.coefficients, expected, atol=1e-6) and fitted.intercept == pytest.approx(scores.mean())
    residuals = []
    for candidate in ALPHAS:  # leave-one-out by its definition
        inside = z @ np.linalg.inv(z.T @ z + candidate * np.eye(z.shape[1])) @ z.T + 1 / len(z)
        errors = (scores - inside @ (scores - scores.mean()) - scores.mean()) / (1 - np.diag(inside))
        residuals.append(np.mean(errors**2))
    assert ALPHAS[int(np.argmin(residuals))] == pytest.approx(alpha)


def test_constant_features_count_for_nothing() -> None:
    features, scores = rated_features()
    padded = np.concatenate([features, np.full((60, 2), 7.0)], 1)
    fitted = fit_regressor(padded, scores)
    assert (fitted.coefficients[-2:] == 0).all()
    moved = padded.copy()
    moved[:, -1] += 1e6
    assert np.array_equal(fitted.predict(moved), fitted.predict(padded))


def test_a_regressor_comes_back_from_disk_and_predicts_the_same(tmp_path: Path) -> None:
    features, scores = rated_features()
    fitted = fit_regressor(features, scores, {"experts": "both", "encoders_sha256": "x"})
    fitted.save(tmp_path / "r.safetensors")
    loaded = load_regressor(tmp_path / "r.safetensors")
    assert np.array_equal(loaded.predict(features), fitted.predict(features)) and loaded.facts == fitted.facts
    assert np.corrcoef(loaded.predict(features), scores)[0, 1] > 0.99


@pytest.mark.parametrize("fault", ["missing", "shape", "nan", "scale", "format"])
def test_regressors_that_do_not_fit_are_refused(fault: str, tmp_path: Path) -> None:
    tensors = {name: torch.ones(4, dtype=torch.float64) for name in ("mean", "scale", "coefficients")}
    tensors["intercept"] = torch.ones(1, dtype=torch.float64)
    header = {"format": "reiqa-regressor 1", "facts": json.dumps({})}
    if fault == "missing":
        del tensors["coefficients"]
    elif fault == "shape":
        tensors["mean"] = torch.ones(3, dtype=torch.float64)
    elif fault == "nan":
        tensors["coefficients"][0] = float("nan")
    elif fault == "scale":
        tensors["scale"][1] = 0.0
    else:
        header["format"] = "other 1"
    save_file(tensors, tmp_path / "r.safetensors", metadata=header)
    with pytest.raises(UsageError, match="r.safetensors"):
        load_regressor(tmp_path / "r.safetensors")


def test_features_that_cannot_be_fitted_are_refused() -> None:
    features, scores = rated_features()
    with pytest.raises(UsageError, match="10 or more"):
        fit_regressor(features[:5], scores[:5])
    with pytest.raises(UsageError, match="NaN"):
        fit_regressor(np.full_like(features, np.nan), scores)
    with pytest.raises(UsageError, match="fitted to"):
        fit_regressor(features, scores).predict(features[:, :3])


def test_agreement_is_judged_on_scenes_that_were_not_fitted_to() -> None:
    rng = np.random.default_rng(0)
    groups = [f"scene {i // 4}" for i in range(80)]
    own = np.repeat(rng.normal(size=(20, 40)), 4, axis=0) + 0.01 * rng.normal(size=(80, 40))
    scores = np.repeat(rng.normal(size=20), 4)  # a scene's features are a fingerprint of it and say nothing else
    agreement = cross_validate(ridge(own, scores), scores, groups)
    assert len(agreement.splits) == 10 and abs(agreement.median("srcc")) < 0.6
    features, good = rated_features(80)
    assert cross_validate(ridge(features, good), good, groups).median("srcc") > 0.95
    assert "10 splits by scene" in agreement.summary()


def test_scores_need_a_regressor_of_the_same_encoders(weights: Path, photos: list[Tensor], tmp_path: Path) -> None:
    model = reiqa.load(weights)
    with pytest.raises(UsageError, match="fit-reiqa"):
        model.score(photos[0])
    images = [photo[:, y : y + 48, x : x + 48] for photo in photos for y in (0, 60) for x in (0, 70)]
    features = np.stack([model.features(image, "quality") for image in images])
    facts = {"experts": "quality", "encoders_sha256": model.meta["sha256"]}
    scores = np.arange(12.0)
    fit_regressor(features, scores, facts).save(tmp_path / "r.safetensors")
    fitted = reiqa.load(weights, tmp_path / "r.safetensors")
    assert fitted.regressor is not None
    assert fitted.score(images[3]) == pytest.approx(fitted.regressor.predict(features[3:4])[0], abs=1e-4)
    fit_regressor(features, scores, {**facts, "encoders_sha256": "0" * 64}).save(tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="fitted to encoders 000000000000"):
        reiqa.load(weights, tmp_path / "other.safetensors")
