"""One format for the networks of all systems: tensors, and in the header the facts that rebuild the network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from distortion_engine.jobs.forks import one_thread_in_forks
from relational_iqa.storage.opinions import NO_OPINIONS
from relational_iqa.storage.shipped import find_weights
from relational_iqa.storage.tensor_file import read_tensors, write_tensors

Network = TypeVar("Network", bound=nn.Module)
Facts = Mapping[str, Any]
LARGEST = 1e6
"""Largest value of weights that is believed. The largest that ship hold 7,000; with much larger ones sums overflow, and
answers are no numbers."""


def describe_architecture(network: Any) -> dict[str, Any]:
    """The facts of a network that its `architecture` alone rebuilds, a dataclass of plain values."""
    return {"architecture": asdict(network.architecture)}


def _no_objection(facts: Facts) -> str:
    return ""


def _as_stored(facts: Facts, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return tensors


@dataclass(frozen=True)
class NetworkFormat(Generic[Network]):
    """What is particular to the weights of one system.

    Args:
        name: format in the header; files of another one are refused.
        written_by: the command that writes such files, for messages.
        shipped: name of the weights that ship with the package.
        describe: network -> facts that rebuild it, plain JSON data.
        build: facts -> the untrained network. Its errors become a UsageError that names the file.
        objection: facts -> why such weights are refused, "" where they are not.
        adapt: (facts, tensors) -> the tensors of the network that `build` makes, where the file holds others.
        unset: names of tensors that may be NaN, which means that nothing was set.
        former: by the name of a former format, the facts that are in its header.
    """

    name: str
    written_by: str
    shipped: str
    describe: Callable[[Network], dict[str, Any]]
    build: Callable[[Facts], Network]
    objection: Callable[[Facts], str] = _no_objection
    adapt: Callable[[Facts, Mapping[str, Tensor]], Mapping[str, Tensor]] = _as_stored
    unset: Collection[str] = ()
    former: Mapping[str, Callable[[Mapping[str, str]], dict[str, Any]]] = field(default_factory=dict)

    def save(
        self, path: Path, network: Network, opinions: str = NO_OPINIONS, state: Mapping[str, Tensor] | None = None
    ) -> str:
        """Writes the weights and returns their sha256.

        Args:
            path: file to write; its folder is made where it is not there.
            network: what is written.
            opinions: whose judgments it was fitted to, "none" for nobody's.
            state: tensors to write in place of those of the network, for example in half precision.
        """
        facts = {**self.describe(network), "opinions": opinions}
        return write_tensors(path, self.name, network.state_dict() if state is None else state, facts)

    def load(self, source: str | Path | None = None) -> tuple[Network, dict[str, Any]]:
        """The network, frozen and in eval mode, and {"name", "path", "sha256", "opinions"} of its file.

        Args:
            source: a path, the name of shipped weights, or None for the default.

        Raises:
            UsageError: for a file that is missing, damaged, of another format, or does not fit its own header.
        """
        one_thread_in_forks()
        path = find_weights(source or self.shipped)
        stored = read_tensors(path, self.name, self.written_by, self.unset, self.former)
        if reason := self.objection(stored.facts):
            raise UsageError(f"{path}: {reason}")
        try:
            with torch.random.fork_rng(devices=[]):  # the first weights are random, and overwritten
                network = self.build(stored.facts)
            tensors = self.adapt(stored.facts, stored.tensors)
            network.load_state_dict(tensors)
            _check_values(tensors, network)
            opinions = stored.facts.get("opinions", NO_OPINIONS)
            if not isinstance(opinions, str):
                raise ValueError(f"opinions are {type(opinions).__name__}, expected text")
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, OverflowError, MemoryError) as error:
            fault = (str(error).splitlines() or [type(error).__name__])[-1].strip()[:200]
            raise UsageError(f"{path}: tensors do not fit the architecture in the header: {fault}") from error
        return network.eval().requires_grad_(False), {
            "name": path.stem,
            "path": str(path),
            "sha256": stored.sha256,
            "opinions": opinions,
        }


def _check_values(tensors: Mapping[str, Tensor], network: nn.Module) -> None:
    """Raises ValueError for numbers of another kind than the network's, and for those that no training leads to."""
    counters = [name for name, value in tensors.items() if not value.is_floating_point()]
    # Not name by name: networks take tensors of former names too.
    if len(counters) != sum(not value.is_floating_point() for value in network.state_dict().values()):
        raise ValueError(f"{counters[0]} is {tensors[counters[0]].dtype}" if counters else "counters are no integers")
    for name, value in tensors.items():
        if value.is_floating_point() and value.numel() and (largest := float(value.abs().max())) > LARGEST:
            raise ValueError(f"{name} holds {largest:.3g}, expected {LARGEST:g} or less")
