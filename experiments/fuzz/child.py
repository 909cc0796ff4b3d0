"""Runs one case in a forked process with capped memory and time, and says what came of it."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import distortion_engine
import relational_iqa
from experiments.fuzz.door import ROOT, Case, Door

MEMORY_BYTES = 2 << 30  # beyond what the interpreter with its libraries maps
FILE_BYTES = 1 << 30
TIME_S = 20.0  # of the processor; by the clock six times that, on a machine that has other work
FINE = ("done", "refused", "other documented end")
_CLOCK_RATIO, _LOOK_EVERY_S = 6, 0.004
_LONGEST_LINE = 2000


@dataclass(frozen=True)
class Verdict:
    """What a case came to.

    Args:
        outcome: one of `FINE`, or "traceback", "hang", "crash", "undocumented exit code" or "noise" (a refusal that is
            not one line, a warning of a library).
        said: what was written to stderr, or how the process ended.
        seconds: of the processor.
        peak_bytes: peak resident memory.
    """

    outcome: str
    said: str
    seconds: float
    peak_bytes: int

    @property
    def fine(self) -> bool:
        """Whether this is how the program should end."""
        return self.outcome in FINE


def import_everything() -> None:
    """Imports all modules of both packages, with what they import late, so that forks have them."""
    for package in (distortion_engine, relational_iqa):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("_child", ".program")):  # scripts
                importlib.import_module(module.name)
    for name in (
        "PIL.Image",
        "imagecodecs",
        "faiss",
        "openpyxl",
        "scipy.io",
        "scipy.stats",
        "uvicorn",
        "albumentations",
    ):
        importlib.import_module(name)
    torch.set_num_threads(1)  # the threads of this process do not exist in a fork


def try_case(door: Door, case: Case, memory_bytes: int = MEMORY_BYTES, time_s: float = TIME_S) -> Verdict:
    """Runs a case in a folder of its own, which is removed afterwards.

    A fork has torch and the codecs imported already. The processes that it starts end with it.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder, streams = Path(name) / "case", Path(name)
        folder.mkdir()
        case.write(folder)
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():  # of Python 3.12, about threads, which the libraries have and a fork does not
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _run(door, case, folder, streams, memory_bytes)
        status, usage = _wait(pid, time_s)
        said = (streams / "stderr").read_text("utf-8", "backslashreplace") if (streams / "stderr").exists() else ""
    seconds, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    return Verdict(*_outcome(door, status, said, time_s), seconds, peak)


def run_quietly(arguments: Sequence[str], folder: Path) -> None:
    """Runs `riqa` in a folder, in a process of its own. Raises RuntimeError where it does not end with 0."""
    command = [sys.executable, "-m", "relational_iqa.program", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"riqa {' '.join(arguments)}: {done.stderr}")


def _run(door: Door, case: Case, folder: Path, streams: Path, memory_bytes: int) -> None:
    """The child: never returns."""
    code = 70
    try:
        os.setsid()  # a group of its own, so that it can be killed with its workers
        os.chdir(folder)
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            os.dup2(os.open(streams / name, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        code = door.run(list(case.arguments))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # what must not come is what is looked for
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _wait(pid: int, time_s: float) -> tuple[int | None, resource.struct_rusage]:
    """The wait status, None after a hang; and what was used."""
    begun = time.monotonic()
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            _kill_group(pid)
            return status, usage
        if _cpu_seconds(pid) > time_s or time.monotonic() - begun > _CLOCK_RATIO * time_s:
            _kill_group(pid)
            os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            return None, usage
        time.sleep(_LOOK_EVERY_S)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process; its name, in parentheses, may hold spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _outcome(door: Door, status: int | None, said: str, time_s: float) -> tuple[str, str]:
    if status is None:
        return "hang", f"no end within {time_s:g} s; {said[-300:]}"
    if os.WIFSIGNALED(status):
        return "crash", f"{signal.Signals(os.WTERMSIG(status)).name}; {said[-300:]}"
    code = os.waitstatus_to_exitcode(status)
    if "Traceback (most recent call last)" in said:
        return "traceback", said[-1500:]
    if code not in door.ends:
        return "undocumented exit code", f"{code}; {said[-300:]}"
    if code == 2 and not _is_refusal(said, door.progress):
        return "noise", said[:600]
    if code == 0 and "Warning" in said:
        return "noise", said[:600]
    return {0: "done", 2: "refused"}.get(code, "other documented end"), said.strip()


def _is_refusal(said: str, progress: tuple[str, ...]) -> bool:
    """Whether this is one line of a bearable length, after lines that begin with one of `progress`."""
    *others, last = said.removesuffix("\n").split("\n")
    return last.startswith("riqa: ") and len(last) < _LONGEST_LINE and all(line.startswith(progress) for line in others)
