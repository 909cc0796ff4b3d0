"""The same sets by worker processes and by a real Ray cluster of this machine that loses a node: are the bytes equal?

    pip install -e ".[ray]"
    python -m experiments.benchmarks.ray_generate [--sets 64] [--nodes 2] [--json ray.json]

The cluster has `--nodes` separate Ray nodes of one CPU each (`ray.cluster_utils.Cluster`), joined by address as one of
several machines would be. Unless `--keep-nodes`, one is removed, with SIGKILL for its processes, while it is seen to
have written a part of a shard; Ray gives that shard to another node. Rates are of one run each, local first: compare
them on an idle machine only, and look at the load that is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distortion_engine.generation.generate import SHARDS_NAME, generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.workers import Workforce
from experiments.fuzz.kill_generate import PHOTOS, contents, file_size

_PARTIAL = re.compile(r"\.(ranked-\d+\.tar)\..*-(?P<pid>\d+)-\d+\.partial")
_LOOK_EVERY_S = 0.01


@dataclass
class Loss:
    """What was seen when a node of the cluster was removed.

    Args:
        shard: the shard that the node was writing; empty until then.
        shards: shards that were complete then.
        left: whether the half-written shard was still there, without its final name, after the processes of the node
            had ended.
        over: set when the run has ended; no node is removed after that.
    """

    shard: str = ""
    shards: int = 0
    left: bool = False
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def cluster_of(nodes: int) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster of so many nodes of one CPU on this machine, and those of them that may be removed."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield cluster, [cluster.add_node(num_cpus=1) for _ in range(nodes - 1)]
    finally:
        ray.shutdown()
        cluster.shutdown()


def lose_while_it_writes(cluster: Any, node: Any, out: Path, loss: Loss) -> None:
    """Removes `node` as soon as it is seen to write a shard in `out`, or returns when `loss.over` is set."""
    raylet = node.all_processes["raylet"][0].process.pid
    while not loss.over.wait(_LOOK_EVERY_S):
        for partial in (out / SHARDS_NAME).glob(".ranked-*"):
            named = _PARTIAL.fullmatch(partial.name)
            if named is None or _parent(int(named["pid"])) != raylet or not file_size(partial):
                continue
            cluster.remove_node(node, allow_graceful=False)
            with suppress(ProcessLookupError):  # it ends with its node, sooner or later
                os.kill(int(named["pid"]), signal.SIGKILL)
            there = {path.name for path in partial.parent.glob("ranked-*")}
            loss.left = partial.exists() and named[1] not in there
            loss.shard, loss.shards = named[1], len(there)
            return


def measure(sets: int, size_px: int, nodes: int, photos: Path, keep_nodes: bool) -> dict[str, Any]:
    """Sets per second by both engines; RuntimeError where their bytes differ. Sheet and start of workers count."""
    import ray

    options = GenerateOptions(sets=sets, seed=11, size_px=size_px, sets_per_shard=4)
    with tempfile.TemporaryDirectory() as folder:
        local = generate(photos, Path(folder, "local"), options, workforce=Workforce(workers=nodes))
        out, loss = Path(folder, "ray"), Loss()
        with cluster_of(nodes) as (cluster, others):
            watch = threading.Thread(target=lose_while_it_writes, args=(cluster, others[-1], out, loss), daemon=True)
            if others and not keep_nodes:
                watch.start()
            by_ray = generate(photos, out, options, workforce=Workforce("ray", nodes, cluster.address))
            loss.over.set()
        if contents(Path(folder, "local")) != contents(out):
            raise RuntimeError("the bytes by Ray are not those by local workers")
    rates = {name: round(sets / made["seconds"], 2) for name, made in (("local", local), ("ray", by_ray))}
    return {
        "sets": sets,
        "size_px": size_px,
        "shards": options.shards,
        "nodes": nodes,
        "node_removed_while_it_wrote": loss.shard or None,
        "half_shard_left_by_it": loss.left,
        "shards_complete_then": loss.shards,
        "same_bytes": True,
        "sets_per_s": rates,
        "images_per_s": {name: round(5 * rate, 1) for name, rate in rates.items()},
        "ray": ray.__version__,
        "load_average_1_min": round(os.getloadavg()[0], 1),
        "processor": platform.processor() or platform.machine(),
    }


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def main() -> None:
    """Prints the table and writes it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--keep-nodes", action="store_true", help="do not remove one")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    begun = time.monotonic()
    result = measure(chosen.sets, chosen.size, chosen.nodes, chosen.photos, chosen.keep_nodes)
    text = json.dumps({**result, "seconds": round(time.monotonic() - begun, 1)}, indent=2)
    print(text)
    if chosen.json is not None:
        chosen.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
