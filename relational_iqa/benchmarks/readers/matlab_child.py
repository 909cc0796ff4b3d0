"""A program that reads a MATLAB file and writes one variable as JSON: `python matlab_child.py FILE NAME...`.

SciPy's reader is compiled code that trusts the file: a changed byte can end the process. So it runs in one of its own,
with bounds on memory and time. It imports nothing of this package.
"""

import json
import sys
from typing import Any

MEMORY_BYTES = 4 << 30


def plain(value: Any) -> Any:
    """Cells are arrays in arrays; what lies in the innermost is a string or a number."""
    import numpy as np

    while isinstance(value, np.ndarray):
        if value.size != 1:
            return ""
        value = value.ravel()[0]
    return str(value) if isinstance(value, str) else float(value)


def main(path: str, names: list[str]) -> dict[str, Any]:
    """{"values": of the first of the variables `names`}, or {"there": the names that the file has}, or {"error": why it
    cannot be read}."""
    import numpy as np
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        for name in names:
            if name in content:
                return {"values": [plain(value) for value in np.asarray(content[name]).ravel()]}
    except (Exception, RecursionError) as error:  # whatever the part of SciPy raises that stumbles over the file
        return {"error": str(error) or type(error).__name__}
    return {"there": [name for name in content if not name.startswith("__")]}


if __name__ == "__main__":
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ImportError, ValueError, OSError):  # Windows, or a lower bound that is there already
        pass
    sys.stdout.buffer.write(json.dumps(main(sys.argv[1], sys.argv[2:])).encode())
