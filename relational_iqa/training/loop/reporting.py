"""What a run says while it goes: a progress bar or log lines on stderr, `scalars.jsonl` and TensorBoard files."""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.jobs.progress import eta, terminal_bar
from distortion_engine.jobs.safe_files import cannot_write

if TYPE_CHECKING:
    from rich.progress import Progress
    from torch.utils.tensorboard import SummaryWriter

LOG_NAME = "scalars.jsonl"


class Reporter:
    """Context manager: call `add` at every step and `write` now and then, which reports means since the last `write`.

    A resumed run drops the log lines of its killed predecessor after `start_step`, so no step is logged twice.

    Args:
        out_dir: folder of the log.
        name: of the stage, stands in every line.
        steps: length of the run.
        start_step: step that the run begins or resumes at.
        done: share of the run, 0 to 1, that lies behind it then.
        active: whether anything is reported; in a distributed run only by the first process.
        average: mean over the processes of a distributed run; all of them call `write` at the same steps.
    """

    def __init__(
        self,
        out_dir: Path,
        name: str,
        steps: int,
        start_step: int,
        done: float,
        active: bool,
        average: Callable[[list[float]], list[float]] = list,
    ) -> None:
        self._average = average
        self.out_dir, self.name, self.steps, self.start_step = out_dir, name, steps, start_step
        self._begun_at, self._begun, self.active = done, time.monotonic(), active
        self.scalars: dict[str, float] = {}  # what was written last
        self._writer: SummaryWriter | None = None
        self._bar: Progress | None = None
        self._restart_window()

    def __enter__(self) -> "Reporter":
        if self.active:
            self.out_dir.mkdir(parents=True, exist_ok=True)
            _drop_after(self.out_dir / LOG_NAME, self.start_step)
            if sys.stderr.isatty():
                self._bar = terminal_bar(self.name, 1.0, counted=False)
                self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        if self._writer:
            self._writer.close()

    def say(self, line: str) -> None:
        """One line for people, above the bar if there is one."""
        if self.active:
            self._bar.console.print(line, highlight=False) if self._bar else print(line, file=sys.stderr, flush=True)

    def add(self, values: Mapping[str, Tensor | float], items: int) -> None:
        """Take one step's scalars (kept on their device: no synchronisation) and the number of items it saw."""
        for key, value in values.items():
            total, count = self._sums.get(key, (0.0, 0))
            self._sums[key] = (total + (value.detach() if isinstance(value, Tensor) else value), count + 1)
        self._items += items

    def waited(self, seconds: float) -> float:
        """Take the time that the loop waited for a batch, and return it."""
        self._waited += seconds
        return seconds

    def advance(self, done: float) -> None:
        """Move the bar to the share `done` of the run."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done)

    def write(self, step: int, seconds: float, learning_rate: float, done: float) -> None:
        """Writes the means since the last call to the log, to TensorBoard and to the terminal, and starts a new window.

        Beside the scalars of the steps, it writes the learning rate, the items per second, and the share of the time
        that was spent waiting for data (`data_wait`).

        Args:
            step: steps taken so far.
            seconds: training time so far.
            learning_rate: learning rate of the last step.
            done: share of the run that is done, 0 to 1.
        """
        window = max(time.monotonic() - self._since, 1e-9)
        rate = self._items / window
        own = {key: float(total) / count for key, (total, count) in self._sums.items()}
        means = dict(zip([*own, "data_wait"], self._average([*own.values(), self._waited / window]), strict=True))
        wait = means["data_wait"]
        self.scalars = {**means, "learning_rate": learning_rate, "items_per_s": rate}
        self._restart_window()
        if not self.active:
            return
        try:
            with (self.out_dir / LOG_NAME).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "seconds": round(seconds, 3), **self.scalars}) + "\n")
        except OSError as error:
            raise UsageError(cannot_write(self.out_dir / LOG_NAME, error)) from error
        for key, value in self.scalars.items():
            self._tensorboard().add_scalar(key, value, step)
        left = eta(time.monotonic() - self._begun, done - self._begun_at, 1 - done)
        losses = "  ".join(f"{key} {means[key]:.4g}" for key in own)
        status = f"{losses}  {rate:.1f} items/s  data_wait {wait:.1%}  ETA {left}"
        if self._bar:
            self._bar.update(self._bar.task_ids[0], text=f"{step}/{self.steps}  {status}")
        else:
            self.say(f"{self.name}  step {step}/{self.steps}  {status}")

    def panels(self, step: int, images: Mapping[str, Tensor]) -> None:
        """Show images (3,H,W), RGB in [0,1] (clipped), in TensorBoard."""
        if self.active:
            for key, image in images.items():
                self._tensorboard().add_image(key, image.detach().float().clamp(0, 1).cpu(), step)

    def _tensorboard(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import: only once there is something to write

            self._writer = SummaryWriter(str(self.out_dir / "tensorboard"), purge_step=self.start_step + 1)
        return self._writer

    def _restart_window(self) -> None:
        self._sums: dict[str, tuple[Any, int]] = {}
        self._items, self._waited, self._since = 0, 0.0, time.monotonic()


def _drop_after(path: Path, step: int) -> None:
    """Keep only the log lines up to `step`. What is no line of a log goes too, such as one that a kill cut short."""
    lines = path.read_bytes().splitlines() if path.exists() and step else []
    path.write_bytes(b"".join(line + b"\n" for line in lines if _step_of(line) <= step))


def _step_of(line: bytes) -> float:
    """The step of a line of the log; infinity for what is none."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return math.inf
    return step if isinstance(step, int) else math.inf
