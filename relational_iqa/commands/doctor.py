"""riqa doctor: what is installed here, whether it works, and how to install what is missing."""

from dataclasses import dataclass

from relational_iqa.commands.common import finish
from relational_iqa.commands.shared_options import JsonOption, ThreadsOption


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(JsonOption, ThreadsOption):
    """Options of `riqa doctor`."""


def doctor(options: DoctorOptions) -> None:
    """Says what is installed: versions, devices, threads, codecs, weights with their SHA-256, extras.

    Each codec writes and reads a small picture, and each weight file is hashed. What is missing is said with the
    command that installs it. Exit codes: 0 no problems, 1 something does not work as it should.
    """
    from relational_iqa.commands.common import bound_threads
    from relational_iqa.commands.installation import look

    bound_threads(options.threads)
    found = look()
    finish(found.lines(), found.to_json(), options.json)
    if found.problems:
        raise SystemExit(1)
