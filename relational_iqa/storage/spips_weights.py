"""Weights of SPIPS: with their own backbone, or on the frozen one, which they name by its sha256 and do not hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.networks.backbone import EfficientNetLite
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.networks.spips_stages import StageSpips, StageSpipsArchitecture
from relational_iqa.storage.backbone_weights import load_backbone_weights
from relational_iqa.storage.network_format import Facts, NetworkFormat, describe_architecture
from relational_iqa.storage.opinions import NO_OPINIONS

AnySpips = SpipsNetwork | StageSpips
_BACKBONE = "comparison.backbone."


def _describe(network: AnySpips) -> dict[str, Any]:
    if isinstance(network, SpipsNetwork):
        return describe_architecture(network)
    facts: dict[str, Any] = {"stages": network.architecture.to_dict()}
    return facts if network.backbone_source is None else {**facts, "backbone": network.backbone_source}


def _build(facts: Facts) -> AnySpips:
    if "stages" in facts:
        network = StageSpips(StageSpipsArchitecture.from_dict(facts["stages"]))
        source = facts.get("backbone")
        network.backbone_source = None if source is None else {name: str(source[name]) for name in ("name", "sha256")}
        return network
    sizes = facts["architecture"]
    return SpipsNetwork(SpipsArchitecture(**{**sizes, "streams": tuple(sizes["streams"])}))


def _with_backbone(facts: Facts, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors, and those of the backbone that the file names. Raises ValueError where that is another one now."""
    source = facts.get("backbone")
    if source is None:
        return tensors
    backbone, meta = load_backbone_weights(source["name"])
    if meta["sha256"] != source["sha256"]:
        raise ValueError(
            f"they were trained on the backbone {source['name']} {source['sha256'][:8]}, {meta['sha256'][:8]} is there;"
            " train them anew by riqa fit-spips, or use the version of relational-iqa that they came with"
        )
    wanted = EfficientNetLite(StageSpipsArchitecture.from_dict(facts["stages"]).backbone).state_dict()
    stored = backbone.state_dict()
    return {**tensors, **{_BACKBONE + name: stored[name] for name in wanted}}


FORMAT: NetworkFormat[Any] = NetworkFormat(
    name="relational-iqa spips 1",
    written_by="`riqa fit-spips`",
    shipped="spips-small",
    describe=_describe,
    build=_build,
    adapt=_with_backbone,
    unset=("mos_range",),
)


def save_spips_weights(path: Path, network: AnySpips, opinions: str = NO_OPINIONS) -> str:
    """Writes the weights and returns their sha256; `opinions` says whose judgments they were fitted to."""
    state = network.state_dict()
    if isinstance(network, StageSpips) and network.backbone_source is not None:
        state = {name: value for name, value in state.items() if not name.startswith(_BACKBONE)}
    return FORMAT.save(path, network, opinions, state)


def load_spips_weights(source: str | Path | None = None) -> tuple[AnySpips, dict[str, Any]]:
    """See `NetworkFormat.load`; None for the shipped weights."""
    return FORMAT.load(source)


def take_backbone(network: StageSpips, source: str) -> None:
    """Gives the network the backbone of a file, the name of shipped ones or a path; its weights will name it.

    Raises UsageError for a file that is no backbone or has not the stages of the network.
    """
    backbone, meta = load_backbone_weights(source)
    stored, own = backbone.state_dict(), network.comparison.backbone
    try:
        own.load_state_dict({name: stored[name] for name in own.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"{source}: has not the stages {own.architecture} that the network compares") from error
    network.backbone_source = {"name": source, "sha256": meta["sha256"]}
