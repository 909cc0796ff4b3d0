"""The command `riqa`: its table of commands, and what every end of one means.

Exit codes: 0 done, 1 margin below --fail-below or a check that failed, 2 bad input (one line `riqa: ...` on stderr,
never a traceback), 130 interrupted.
"""

import sys
from collections.abc import Sequence
from typing import Any

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.jobs.printable import one_line
from relational_iqa.commands import (
    check,
    compare,
    compare_options,
    completion,
    curve,
    doctor,
    evaluate,
    explain,
    export,
    fit_mos,
    fit_reiqa,
    fit_spips,
    generate,
    index,
    pretrain,
    rank,
    score,
    sequence,
    serve,
)
from relational_iqa.commands.parser import Command, parse
from relational_iqa.commands.streams import drop_output, flush_output, open_streams
from relational_iqa.tiling.memory import use_huge_pages

# Order of --help. A new command is one line here and its module in the import above.
COMMANDS: dict[str, Command[Any]] = {
    "compare": Command(compare.compare, compare_options.CompareOptions),
    "check": Command(check.check, check.CheckOptions),
    "rank": Command(rank.rank, rank.RankOptions),
    "score": Command(score.score, score.ScoreOptions),
    "curve": Command(curve.curve, curve.CurveOptions),
    "sequence": Command(sequence.sequence, sequence.SequenceOptions),
    "generate": Command(generate.generate, generate.GenerateCommandOptions),
    "pretrain": Command(pretrain.pretrain, pretrain.PretrainOptions),
    "evaluate": Command(evaluate.evaluate, evaluate.EvaluateOptions),
    "fit-mos": Command(fit_mos.fit_mos, fit_mos.FitMosOptions),
    "fit-reiqa": Command(fit_reiqa.fit_reiqa, fit_reiqa.FitReiqaOptions),
    "fit-spips": Command(fit_spips.fit_spips, fit_spips.FitSpipsOptions),
    "index": Command(index.index, index.IndexOptions),
    "explain": Command(explain.explain, explain.ExplainOptions),
    "export": Command(export.export, export.ExportOptions),
    "serve": Command(serve.serve, serve.ServeOptions),
    "doctor": Command(doctor.doctor, doctor.DoctorOptions),
    "completion": Command(completion.completion_of(lambda: COMMANDS), completion.CompletionOptions),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    use_huge_pages()
    try:
        open_streams()
        name, options = parse(COMMANDS, (sys.argv[1:] if argv is None else argv) or ["--help"])
        COMMANDS[name].run(options)
        flush_output()
    except BrokenPipeError:  # the reader of a pipe left: no more output, also not at exit
        drop_output()
    except (ImageError, UsageError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(
            f"{error.filename or 'input or output'}: {error.strerror or error}; check path, permissions and room"
        )
    except MemoryError:
        return _complain("not enough memory; give smaller images (--max-pixels), or free memory")
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    return 0


def _complain(message: str, code: int = 2) -> int:
    """One line on stderr, where there is one; what was printed before stays, where it can be written."""
    try:
        flush_output()
    except (OSError, UsageError):
        drop_output()
    try:
        print(f"riqa: {one_line(message)}", file=sys.stderr, flush=True)
    except OSError:
        drop_output()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
