"""Weights of the core: the distortion network and the scoring network in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distortion_engine.axes import AXES
from relational_iqa.networks.joint_margin import PARTS
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.networks.more_axes import can_carry_over, carried_over
from relational_iqa.networks.pixel_perfect import Architecture, Networks
from relational_iqa.storage.network_format import Facts, NetworkFormat, describe_architecture
from relational_iqa.storage.shipped import DEFAULT_WEIGHTS

_JUDGEMENT = "judgement."
_STAGES = "judgement.stages."


def _describe(networks: Networks) -> dict[str, Any]:
    facts = {"architecture": networks.architecture.to_dict(), "axes": [axis.name for axis in AXES]}
    return facts if networks.joint is None else {**facts, "parts": list(PARTS)}


def _build(facts: Facts) -> Networks:
    return Networks(Architecture.from_dict(facts["architecture"]))


def _objection(facts: Facts) -> str:
    axes = facts.get("axes")
    if axes != [axis.name for axis in AXES]:
        named = ", ".join(map(str, axes)) if isinstance(axes, list) else str(axes)
        return f"made for other axes ({named}); train again with `riqa pretrain`"
    architecture, parts = facts.get("architecture"), facts.get("parts")
    if isinstance(architecture, dict) and architecture.get("judgement") and parts != list(PARTS):
        named = ", ".join(map(str, parts)) if isinstance(parts, list) else "none are named"
        return f"made of other parts of a margin ({named}); train again with experiments/judgement"
    return ""


def _facts_of_format_2(header: Mapping[str, str]) -> dict[str, Any]:
    """The former format has an entry for each fact; the axes are joined by commas."""
    return {"architecture": json.loads(header["architecture"]), "axes": header["axes"].split(",")}


FORMAT = NetworkFormat(
    name="relational-iqa 3",
    written_by="`riqa pretrain`",
    shipped=DEFAULT_WEIGHTS,
    describe=_describe,
    build=_build,
    objection=_objection,
    former={"relational-iqa 2": _facts_of_format_2},
)


def _objection_to_carry_over(facts: Facts) -> str:
    axes, architecture = facts.get("axes"), facts.get("architecture")
    if not isinstance(axes, list) or not isinstance(architecture, dict) or architecture.get("judgement"):
        return _objection(facts)
    return "" if can_carry_over(axes, [axis.name for axis in AXES]) else _objection(facts)


def _carried_over(facts: Facts, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    shapes = {name: value.shape for name, value in _build(facts).state_dict().items()}
    return carried_over(tensors, facts["axes"], [axis.name for axis in AXES], shapes)


CARRYING_OVER = replace(FORMAT, objection=_objection_to_carry_over, adapt=_carried_over)


def _build_judgement(facts: Facts) -> Judgement:
    return Judgement(JudgementArchitecture.from_dict(facts["architecture"]["judgement"]))


def _objection_to_judgement(facts: Facts) -> str:
    architecture = facts.get("architecture")
    there = isinstance(architecture, dict) and architecture.get("judgement")
    return "" if there else "holds no judgement; give weights of a run with system: judgement"


def _judgement_alone(facts: Facts, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {name.removeprefix(_JUDGEMENT): value for name, value in tensors.items() if name.startswith(_JUDGEMENT)}


JUDGEMENT: NetworkFormat[Judgement] = NetworkFormat(
    name=FORMAT.name,
    written_by=FORMAT.written_by,
    shipped=FORMAT.shipped,
    describe=describe_architecture,
    build=_build_judgement,
    objection=_objection_to_judgement,
    adapt=_judgement_alone,
)


def save_weights(path: Path, networks: Networks) -> str:
    """Writes the weights and returns their sha256. Tensors of the backbone are written in half precision where that
    loses nothing, as of a frozen one that came from a file of halves."""
    state = {
        name: _halved(value) if name.startswith(_STAGES) else value for name, value in networks.state_dict().items()
    }
    return FORMAT.save(path, networks, state=state)


def _halved(value: Tensor) -> Tensor:
    half = value.half()
    return half if torch.equal(half.to(value.dtype), value) else value


def load_weights(source: str | Path | None = None) -> tuple[Networks, dict[str, Any]]:
    """See `NetworkFormat.load`; None for the shipped weights."""
    return FORMAT.load(source)


def load_weights_to_train(source: str | Path) -> Networks:
    """Weights that a training run goes on from; those of the core that know fewer axes are carried over, see
    `more_axes`. Raises UsageError as `load_weights`."""
    return CARRYING_OVER.load(source)[0]


def load_judgement(source: str | Path) -> tuple[Judgement, dict[str, Any]]:
    """The judgement of one image that is in weights of the core, whatever axes those know, and the facts of their
    file. Raises UsageError as `load_weights`, and for weights without a judgement."""
    return JUDGEMENT.load(source)
