"""Restoration sets as data: replayed to the bit, any size comes back, draws cover what is promised."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import Operation
from distortion_engine.restoration.operations import OPERATIONS, apply
from distortion_engine.restoration.sampling import (
    FAMILIES,
    FAMILY_NAMES,
    families_used,
    sample_damage,
    sample_outputs,
)

PHOTO = load_image(Path(__file__).parents[2] / "images" / "photo_1.png")[:, 8:72, 8:84].contiguous()


def draws(count: int):
    for seed in range(count):
        rng = np.random.default_rng(seed)
        damaged = sample_damage(rng)
        yield damaged, sample_outputs(rng, damaged, 4)


def test_the_same_operations_give_the_same_bytes_also_from_json():
    for _, outputs in draws(6):
        for output in outputs[:3]:
            told = [Operation(**data) for data in json.loads(json.dumps([o.to_dict() for o in output.operations]))]
            assert tuple(told) == output.operations
            assert torch.equal(apply(PHOTO, told), apply(PHOTO, output.operations))


@pytest.mark.parametrize("size", [(64, 76), (61, 67), (48, 48)])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_any_size_comes_back_from_being_shrunk(size: tuple[int, int], factor: int):
    image = PHOTO[:, : size[0], : size[1]]
    operations = (
        Operation("shrink", {"factor": factor, "kernel": "bicubic", "sigma_px": 1.0}),
        Operation("enlarge", {"factor": factor, "interpolation": "bicubic"}),
    )
    result = apply(image, operations)
    assert result.shape == image.shape and float((result - image).abs().mean()) < 0.1


def test_what_is_shrunk_and_not_enlarged_is_refused():
    with pytest.raises(ValueError, match="what is shrunk is enlarged"):
        apply(PHOTO, (Operation("shrink", {"factor": 2, "kernel": "area"}),))


def test_no_operation_is_the_identity_and_the_input_is_never_written():
    before = PHOTO.clone()
    assert torch.equal(apply(PHOTO, ()), PHOTO)
    for _, outputs in draws(8):
        apply(PHOTO, outputs[1].operations)
    assert torch.equal(PHOTO, before)


def test_everything_that_is_drawn_is_an_operation_and_every_kind_and_family_is_drawn():
    kinds, families, names = Counter(), Counter(), Counter()
    for damaged, outputs in draws(400):
        kinds[damaged.kind] += 1
        families.update(output.family for output in outputs)
        names.update(operation.name for output in outputs for operation in output.operations)
        assert outputs[0].family == "input" and len(outputs) == 5
        assert all(output.operations[: len(damaged.operations)] == damaged.operations for output in outputs)
    assert set(names) <= set(OPERATIONS) and set(kinds) == set(FAMILIES)
    assert set(families) == {"input", "neural", *(family for drawn in FAMILIES.values() for family in drawn)}
    assert 0.4 < kinds["noise"] / 400 < 0.6


def test_families_that_are_left_out_are_not_drawn():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        damaged = sample_damage(rng)
        outputs = sample_outputs(rng, damaged, 4, without=("bm3d", "total_variation", "richardson_lucy"))
        assert not {"bm3d", "total_variation", "richardson_lucy"} & {output.family for output in outputs}


def test_strengths_go_from_too_little_to_too_much():
    ratios = [
        float(operation.params["deviation"]) / damaged.deviation
        for damaged, outputs in draws(300)
        if damaged.kind == "noise" and damaged.deviation > 0.01
        for output in outputs[1:]
        for operation in output.operations[len(damaged.operations) :]
        if operation.name in ("guided", "total_variation", "bm3d")
    ]
    assert 0.29 < min(ratios) < 0.4 and 2.5 < max(ratios) < 3.01


def test_the_seed_of_an_operation_decides_its_noise_and_nothing_else_does():
    first, again, other = (
        apply(PHOTO, (Operation("white_noise", {"deviation": 0.1}, seed),)) - PHOTO for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and float((first - other).abs().mean()) > 0.05


def test_the_family_of_an_output_is_among_those_its_operations_use_and_one_that_is_left_out_is_not():
    seen = set()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        left_out = FAMILY_NAMES[seed % len(FAMILY_NAMES)]
        damaged = sample_damage(rng, (left_out,))
        untouched, *outputs = sample_outputs(rng, damaged, 3, (left_out,))
        assert families_used(untouched.operations) == frozenset()
        for output in outputs:
            used = families_used(output.operations)
            assert output.family in used and left_out not in used
            seen |= used
    assert seen == set(FAMILY_NAMES)


@pytest.mark.parametrize(
    ("names", "used"),
    [
        ([("camera", {}), ("bm3d", {})], {"bm3d"}),
        ([("bm3d", {}), ("unsharp_mask", {})], {"bm3d", "unsharp_mask"}),
        ([("shrink", {}), ("enlarge", {"interpolation": "nearest"})], set()),
        ([("shrink", {}), ("enlarge", {"interpolation": "bicubic"})], {"interpolation"}),
        ([("guided", {}), ("enlarge", {"interpolation": "lanczos"})],
         {"guided", "interpolation", "denoised_then_enlarged"}),
        ([("blur", {}), ("white_noise", {}), ("jpeg", {})], set()),
    ],
)  # fmt: skip
def test_families_are_told_by_the_names_of_operations(names: list, used: set):
    assert families_used([Operation(name, params) for name, params in names]) == used
