"""The same sets by worker processes and by a real Ray cluster of this machine: are the bytes equal?

    pip install -e ".[ray]"
    python -m experiments.benchmarks.ray_generate [--sets 64] [--nodes 2] [--json ray.json]

The cluster has `--nodes` separate Ray nodes of one CPU each (`ray.cluster_utils.Cluster`), joined by address as one of
several machines would be. Unless `--keep-nodes`, one is removed when half of the shards are there; whether it had a
shard in hand at that moment is not observed. Rates are of one run each, local first: compare them on an idle machine
only, and look at the load that is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from distortion_engine.export import Workforce, generate
from distortion_engine.generate_options import GenerateOptions
from experiments.fuzz.kill_generate import PHOTOS, contents


def measure(sets: int, size_px: int, nodes: int, photos: Path, keep_nodes: bool) -> dict[str, Any]:
    """Sets per second by both engines; RuntimeError where their bytes differ. Sheet and start of workers count."""
    import ray
    from ray.cluster_utils import Cluster

    options = GenerateOptions(sets=sets, seed=11, size_px=size_px, sets_per_shard=4)
    with tempfile.TemporaryDirectory() as folder:
        local = generate(photos, Path(folder, "local"), options, workforce=Workforce(workers=nodes))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            others = [cluster.add_node(num_cpus=1) for _ in range(nodes - 1)]
            out = Path(folder, "ray")
            removed_at: list[int] = []
            if others and not keep_nodes:
                threading.Thread(
                    target=_remove_half_way, args=(cluster, others[-1], out, options.shards, removed_at), daemon=True
                ).start()
            by_ray = generate(photos, out, options, workforce=Workforce("ray", nodes, cluster.address))
        finally:
            ray.shutdown()
            cluster.shutdown()
        if contents(Path(folder, "local")) != contents(out):
            raise RuntimeError("the bytes by Ray are not those by local workers")
    rates = {name: round(sets / made["seconds"], 2) for name, made in (("local", local), ("ray", by_ray))}
    return {
        "sets": sets,
        "size_px": size_px,
        "shards": options.shards,
        "nodes": nodes,
        "shards_there_when_a_node_was_removed": removed_at[0] if removed_at else None,
        "same_bytes": True,
        "sets_per_s": rates,
        "images_per_s": {name: round(5 * rate, 1) for name, rate in rates.items()},
        "ray": ray.__version__,
        "load_average_1_min": round(os.getloadavg()[0], 1),
        "processor": platform.processor() or platform.machine(),
    }


def _remove_half_way(cluster: Any, node: Any, out: Path, shards: int, removed_at: list[int]) -> None:
    while (there := len(list(out.glob("shards/ranked-*.tar")))) < shards // 2:
        time.sleep(0.1)
    cluster.remove_node(node, allow_graceful=False)
    removed_at.append(there)


def main() -> None:
    """Prints the table and writes it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--keep-nodes", action="store_true", help="do not remove one half way")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    result = measure(chosen.sets, chosen.size, chosen.nodes, chosen.photos, chosen.keep_nodes)
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.json is not None:
        chosen.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
