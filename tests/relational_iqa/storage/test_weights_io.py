"""Weights on disk: what is written is what is read, and anything else is refused by name."""

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import relational_iqa
from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from relational_iqa.networks.pixel_perfect import Architecture, Networks
from relational_iqa.storage.pixel_perfect_weights import FORMAT, load_weights, save_weights
from relational_iqa.storage.shipped import find_weights
from relational_iqa.systems.pixel_perfect import RelationalIQA


@pytest.fixture(scope="module")
def written(random_networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "new" / "mine.safetensors"
    save_weights(path, random_networks)
    return path


def header_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def facts_of(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(header_of(path)["facts"])
    return facts


def with_facts(source: Path, path: Path, **changed: Any) -> Path:
    """A copy that states other facts; None leaves one out."""
    stated = {key: value for key, value in (facts_of(source) | changed).items() if value is not None}
    return rewritten(source, path, facts=json.dumps(stated))


def rewritten(source: Path, path: Path, drop: str = "", **header: str) -> Path:
    """A copy with other header entries, and without the entry or tensor `drop`."""
    with safe_open(source, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys() if name != drop}  # noqa: SIM118 - no mapping
    entries = {key: value for key, value in (header_of(source) | header).items() if key != drop}
    save_file(state, path, entries)
    return path


def test_written_weights_are_read_back_bit_for_bit(random_networks: Networks, written: Path) -> None:
    networks, meta = load_weights(written)
    state = networks.state_dict()
    assert state.keys() == random_networks.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in random_networks.state_dict().items())
    assert networks.architecture == Architecture(width=16, encoder_channels=8)
    assert not networks.training and not any(p.requires_grad for p in networks.parameters())
    assert meta["name"] == "mine" and meta["path"] == str(written)
    assert meta["sha256"] == hashlib.sha256(written.read_bytes()).hexdigest()
    assert [path.name for path in written.parent.iterdir()] == ["mine.safetensors"]


def test_equal_weights_have_equal_bytes(written: Path, tmp_path: Path) -> None:
    networks, meta = load_weights(written)
    assert {save_weights(tmp_path / f"{n}.safetensors", networks) for n in range(8)} == {meta["sha256"]}


def test_loaded_model_answers_like_the_one_that_was_saved(
    random_model: RelationalIQA, versions: list[torch.Tensor], written: Path
) -> None:
    loaded = relational_iqa.load(written)
    result = loaded.compare(versions[1], versions[2])
    assert result.margin == random_model.compare(versions[1], versions[2]).margin
    assert result.meta["weights"] == "mine" and result.meta["weights_sha256"] == load_weights(written)[1]["sha256"]
    with pytest.raises(UsageError, match="device 'abacus' is not available here"):
        relational_iqa.load(written, device="abacus")


def test_header_says_format_architecture_axes_and_opinions(written: Path) -> None:
    assert header_of(written)["format"] == FORMAT.name == "relational-iqa 3"
    facts = facts_of(written)
    assert facts["architecture"] == {"width": 16, "encoder_channels": 8} and facts["opinions"] == "none"
    assert facts["axes"] == [axis.name for axis in AXES]


def test_weights_of_the_former_format_are_read(random_networks: Networks, written: Path, tmp_path: Path) -> None:
    with safe_open(written, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    header = {"format": "relational-iqa 2", "architecture": json.dumps(facts_of(written)["architecture"])}
    axes = {"axes": ",".join(axis.name for axis in AXES)}
    save_file(state, tmp_path / "former.safetensors", header | axes)
    networks, meta = load_weights(tmp_path / "former.safetensors")
    assert networks.architecture == random_networks.architecture and meta["opinions"] == "none"
    assert all(torch.equal(networks.state_dict()[name], value) for name, value in random_networks.state_dict().items())
    save_file(state, tmp_path / "cut.safetensors", header)
    with pytest.raises(UsageError, match=r"cut\.safetensors: its header cannot be read"):
        load_weights(tmp_path / "cut.safetensors")


@pytest.mark.parametrize("content", ["cut in header", "cut in tensors", "empty", "text", "pickle", "torch"])
def test_damaged_and_foreign_files_are_refused_by_name(content: str, written: Path, tmp_path: Path) -> None:
    path, data = tmp_path / f"{content.replace(' ', '_')}.safetensors", written.read_bytes()
    if content == "torch":
        torch.save({"weight": torch.ones(1)}, path)
    else:
        path.write_bytes(
            {
                "cut in header": data[:500],
                "cut in tensors": data[: len(data) // 2],
                "empty": b"",
                "text": b"no weights at all, but long enough to hold a header length",
                "pickle": pickle.dumps({"weight": [1.0]}),
            }[content]
        )
    with pytest.raises(UsageError, match=rf"{path.name}: not readable as weights.*riqa pretrain"):
        load_weights(path)


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    proof = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (proof,)

    path = tmp_path / "hostile.safetensors"
    for write in (lambda: path.write_bytes(pickle.dumps(Hostile())), lambda: torch.save(Hostile(), path)):
        write()
        with pytest.raises(UsageError, match="hostile.safetensors"):
            load_weights(path)
    assert not proof.exists()
    pickle.loads(pickle.dumps(Hostile()))  # the trap does work
    assert proof.exists()


def test_weights_whose_margin_has_other_parts_are_refused_by_name(tmp_path: Path) -> None:
    path, judged = tmp_path / "former.safetensors", find_weights("riqa-judged")
    with pytest.raises(UsageError, match=r"former\.safetensors: made of other parts of a margin \(none are named\)"):
        load_weights(with_facts(judged, path, parts=None))
    with pytest.raises(UsageError, match=r"former\.safetensors: made of other parts of a margin \(judgement, taste\)"):
        load_weights(with_facts(judged, path, parts=["judgement", "taste"]))


def test_weights_of_other_axes_formats_and_shapes_are_refused_by_name(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    with pytest.raises(UsageError, match=r"other\.safetensors: made for other axes \(sharpness, taste\)"):
        load_weights(with_facts(written, path, axes=["sharpness", "taste"]))
    with pytest.raises(UsageError, match=r"other\.safetensors: made for other axes \(None\)"):
        load_weights(with_facts(written, path, axes=None))
    with pytest.raises(UsageError, match=r"other\.safetensors: is of format 'relational-iqa 99', expected"):
        load_weights(rewritten(written, path, format="relational-iqa 99"))
    with pytest.raises(UsageError, match=r"other\.safetensors: is of format 'unknown', expected"):
        load_weights(rewritten(written, path, drop="format"))
    with pytest.raises(UsageError, match=r"other\.safetensors: tensors do not fit .*blend"):
        load_weights(rewritten(written, path, drop="scoring.pair.blend"))
    wide = {"width": 24, "encoder_channels": 8}
    for architecture in (wide, {}, {"depth": 3}, {"width": "x"}, "no mapping", [], None):
        with pytest.raises(UsageError, match=r"other\.safetensors: tensors do not fit the architecture"):
            load_weights(with_facts(written, path, architecture=architecture))
    for facts in ("no json", ""):
        with pytest.raises(UsageError, match=r"other\.safetensors: its header cannot be read"):
            load_weights(rewritten(written, path, facts=facts))
    with pytest.raises(UsageError, match=r"other\.safetensors: its header cannot be read"):
        load_weights(rewritten(written, path, drop="facts"))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    for source in (tmp_path / "none.safetensors", tmp_path, "riqa-gigantic"):
        with pytest.raises(UsageError, match=f"no weights '{source}': give a file"):
            find_weights(source)


def test_interrupted_write_leaves_the_old_file(
    random_networks: Networks, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.safetensors"
    digest = save_weights(path, random_networks)

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UsageError, match="cannot be written .no space left on device"):
        save_weights(path, random_networks)
    assert load_weights(path)[1]["sha256"] == digest
