"""A program that reads a compressed FAISS index and searches it once: `python faiss_child.py FILE`.

FAISS' reader is compiled code that trusts the file: wrong sizes in it can end the process. So a file from outside is
tried in one of its own first, with a bound on memory. It imports nothing of this package.
"""

import sys
from typing import Any

MEMORY_BYTES = 16 << 30


def main(path: str) -> None:
    """Exit code 0 where the index can be read and searched."""
    import faiss
    import numpy as np

    with open(path, "rb") as stream:
        content = np.frombuffer(stream.read(), dtype=np.uint8)
    index: Any = faiss.deserialize_index(content, faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
    index.nprobe = index.nlist  # every list
    index.search(np.zeros((1, index.d), np.float32), 1)


if __name__ == "__main__":
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ImportError, ValueError, OSError):  # Windows, or a lower bound that is there already
        pass
    main(sys.argv[1])
