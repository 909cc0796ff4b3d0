"""Every command in the README, CONTRIBUTING and docs works: it is run, or read by the parser that would run it.

RULES says which. What is run runs in a folder that holds small images under the names that the pages use; what trains
for long or needs a data set is only parsed: options by the real parser, config keys by the real dataclasses.
A command that no rule knows fails.
"""

import argparse
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from distortion_engine.errors import UsageError
from relational_iqa import cli
from relational_iqa.commands.config_file import read_config
from relational_iqa.commands.parser import parse as parse_command
from relational_iqa.commands.shared_options import RunOptions

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


@dataclass(frozen=True)
class Rule:
    """how: "run", "parse" or "other"; more: options put after those of the page, which make the work small."""

    pattern: str
    how: str
    more: str = ""


TINY_RUN = (
    "data.sets=3 data.size_px=32 data.workers=0 distortion.steps=2 scoring.steps=2 distortion.batch_size=4 "
    "scoring.batch_size=4"
)
TINY_PREPARED = TINY_RUN.replace("data.sets=3 data.size_px=32", "data.sets=2 data.size_px=48")
TINY_STEP = "train.steps=1 train.batch_size=4 train.warmup_steps=0 train.panel_every=0 train.data_workers=0"
TINY_SPIPS = f"data.photos=PHOTOS data.sets=2 data.size_px=32 data.min_scale=0.9 data.workers=0 {TINY_STEP}"
TINY_PEOPLE = f"people.partial=true people.crop_px=48 {TINY_STEP}"
TINY_REIQA = (
    "out=OUT data.photos=PHOTOS data.region_px=72 data.distorted=2 data.chunks=4 data.min_scale=0.9 data.workers=0 "
    "data.content_px=48 "
) + " ".join(
    f"{expert}.size.width=2 {expert}.contrast.patch_px=16 {expert}.contrast.queue=24 {expert}.train.steps=1 "
    f"{expert}.train.batch_size=12 {expert}.train.warmup_steps=0 {expert}.train.panel_every=0 "
    f"{expert}.train.data_workers=0"
    for expert in ("quality", "content")
)
TINY_REIQA_HEADS = re.sub(r"\S+\.size\.width=2 ", "", TINY_REIQA).replace("out=OUT", "out=HEADS")
RULES = (  # the first that matches counts
    Rule(r"riqa (compare|evaluate) .*--engine ray ", "parse"),
    Rule(r"riqa (check|compare|completion|doctor|rank|explain) ", "run"),
    Rule(r"riqa (curve|sequence NEW) ", "run"),
    Rule(r"riqa sequence ", "parse"),  # videos, which are not at hand; tests/relational_iqa/sequences has made ones
    Rule(r"riqa score .*--reference ", "run"),
    Rule(r"riqa score ", "run"),
    Rule(r"riqa generate --catalog ", "run", "--distortions desaturate"),
    Rule(r"riqa generate .*--engine ray ", "parse"),
    Rule(r"riqa generate ", "run", "--sets 2 --size 48 --workers 0"),
    Rule(r"riqa index .*--near-duplicates ", "run"),
    Rule(r"riqa index ", "run", "--sets 1 --size 48 --split all"),
    Rule(r"riqa evaluate csv ", "run", "--bootstrap 20 --workers 0"),
    Rule(r"riqa evaluate ", "parse"),  # published sets, which are not at hand
    Rule(r"riqa pretrain --config experiments/pixel_perfect/smoke.yaml data.photos=", "run", TINY_RUN),
    Rule(r"riqa pretrain --config experiments/pixel_perfect/smoke.yaml data.sets_folder=", "run", TINY_PREPARED),
    Rule(
        r"riqa fit-mos .*rated=my_scores.csv ",
        "run",
        "fit.steps=1 fit.batch_size=4 fit.data_workers=0 splits=1 crop_px=32 cells=16",
    ),
    Rule(r"riqa fit-reiqa --rated ", "run"),
    Rule(r"riqa fit-reiqa --config experiments/reiqa/(cpu|smoke).yaml ", "run", TINY_REIQA),
    Rule(r"riqa fit-reiqa --config experiments/reiqa/lite0.yaml ", "run", TINY_REIQA_HEADS),
    Rule(r"riqa fit-spips --config experiments/spips/(own_backbone|smoke).yaml ", "run", TINY_SPIPS),
    Rule(r"riqa fit-spips --config experiments/spips/cpu.yaml ", "parse"),  # has a test of its own, test_spips_streams
    Rule(r"riqa fit-spips --config experiments/spips/triplets.yaml ", "run", TINY_PEOPLE),
    Rule(r"riqa fit-spips --config experiments/spips/mos.yaml ", "run", f"{TINY_PEOPLE} people.splits=1"),
    Rule(r"riqa (pretrain|fit-mos|fit-reiqa) ", "parse"),  # hours, several devices, or data that are not at hand
    Rule(r"riqa serve", "parse"),  # does not end
    Rule(r"riqa export ", "parse"),  # half a minute, and has tests of its own
    Rule(r"torchrun .*-m relational_iqa.cli ", "parse"),
    Rule(r"(python|\.venv/bin/python) -m experiments\.docs_pictures\.make", "run"),
    Rule(r"python -m experiments\.reiqa\.retrieval_benchmark ", "run", "--sizes 300"),
    Rule(r"(python|\.venv/bin/python) -m experiments\.", "parse"),
    Rule(r"make |\.ci/run|\.venv/bin/pytest |pip (install|wheel) |tensorboard |pytest --riqa", "other"),
    Rule(r"ray (start|stop)|apt-get ", "other"),  # programs of others
)


def rule_of(command: Any) -> Rule:
    """AssertionError for a command that nobody has sorted yet."""
    for rule in RULES:
        if re.match(rule.pattern, command.text + " "):
            return rule
    raise AssertionError(f"{command.page}:{command.line}: {command.text!r}: give it a rule in RULES of this test")


# -- running and parsing -----------------------------------------------------------------------------------------------


def run(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Runs a command of `riqa`, or of an experiment, in this process; AssertionError unless it ends well."""
    program, *arguments = argv
    capsys.readouterr()
    code = cli.main(arguments) if program == "riqa" else importlib.import_module(arguments[1]).main(arguments[2:])
    said = capsys.readouterr()
    assert code == 0, f"exit code {code}: {said.err}"
    assert said.out.strip()


def parse(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads a command as the program would, and goes no further; UsageError or SystemExit for what it would refuse."""
    program, *arguments = argv
    if program == "torchrun":
        from torch.distributed.run import get_args_parser

        asked = get_args_parser().parse_args(arguments)
        assert asked.module and asked.training_script == "relational_iqa.cli"
        program, arguments = "riqa", asked.training_script_args
    if program == "riqa":
        name, options = parse_command(cli.COMMANDS, arguments)
        if isinstance(options, RunOptions) and options.config:
            config_reader(name)(read_config(str(ROOT / options.config), options.overrides))
        if name == "evaluate":
            from relational_iqa.benchmarks.metrics import choose

            assert choose(options.metric)
        return
    path = ROOT / Path(*arguments[1].split("."))
    module = importlib.import_module(f"{arguments[1]}.__main__" if path.is_dir() else arguments[1])
    assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    monkeypatch.setattr("sys.argv", arguments[1:])
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        with pytest.raises(Parsed):
            module.main()


class Parsed(Exception):
    """Raised instead of returning parsed options."""


_real_parse_args: Any = argparse.ArgumentParser.parse_args


def parse_and_stop(self: argparse.ArgumentParser, *arguments: Any) -> None:
    """Stands in for `ArgumentParser.parse_args`: the real one, then no further."""
    _real_parse_args(self, *arguments)
    raise Parsed


def config_reader(command: str) -> Callable[[dict], object]:
    """What makes the config of `command` from the plain data of a file."""
    from relational_iqa.training.pixel_perfect import pretrain
    from relational_iqa.training.pmos import fit_mos_config
    from relational_iqa.training.pmos import pretrain as pmos_pretrain
    from relational_iqa.training.reiqa import fit as reiqa_fit
    from relational_iqa.training.spips import fit as spips_fit

    def core_or_pmos(values: dict) -> object:
        pmos = values.get("system") == "pmos"
        return pmos_pretrain.parse_pmos_config(values) if pmos else pretrain.parse_config(values)

    return {
        "pretrain": core_or_pmos,
        "fit-mos": fit_mos_config.parse_fit_config,
        "fit-reiqa": reiqa_fit.parse_config,
        "fit-spips": spips_fit.parse_config,
    }[command]


def check_other(command: Any) -> None:
    """What can be said of a command that is not ours, or of the Makefile."""
    program, *arguments = command.argv
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        assert arguments and set(arguments) <= set(targets)
    elif program == "pip":
        extras = re.findall(r"relational-iqa\[(\w+)\]", command.text)
        section = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project.optional-dependencies]")[1]
        assert all(re.search(rf"^{extra} = ", section, re.M) for extra in extras)
    elif program == "pytest":
        plugin = (ROOT / "relational_iqa/gate/pytest_plugin.py").read_text(encoding="utf-8")
        assert all(f'"{word}"' in plugin for word in arguments if word.startswith("--"))
    elif program in (".ci/run", ".venv/bin/pytest"):
        paths = [word for word in (program, *arguments) if "/" in word and not word.startswith(".venv")]
        assert paths and all((ROOT / path).exists() for path in paths)


# -- the tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_works(
    page: Path,
    commands_of: Callable[[Path], list[Any]],
    sandbox: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = []
    for command in commands_of(page):
        try:
            rule = rule_of(command)
            if rule.how == "run":
                run([*command.argv, *rule.more.split()], capsys)
            elif rule.how == "parse":
                parse(command.argv, monkeypatch)
            else:
                check_other(command)
        except (AssertionError, UsageError, SystemExit, ImportError) as error:
            failed.append(f"{page.name}:{command.line}: {command.text}\n    {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)


def test_the_pages_have_commands_of_every_kind_and_every_rule_is_used(commands_of: Callable[[Path], list[Any]]) -> None:
    found = [command for page in PAGES for command in commands_of(page)]
    assert len(found) > 60
    used = {rule_of(command).pattern for command in found}
    assert {rule.pattern for rule in RULES} == used
    named = {command.argv[1] for command in found if command.argv[0] == "riqa"}
    assert named == set(cli.COMMANDS)


@pytest.mark.parametrize(
    "wrong",
    [
        "riqa compare a.png b.png --refrence ref.png",
        "riqa evaluate tid2013 /data --metric psnrr",
        "riqa evaluate tid2014 /data --metric psnr",
        "riqa pretrain --config experiments/pixel_perfect/cpu.yaml data.photo=PHOTOS",
        "riqa pretrain --config experiments/pixel_perfect/cpu.yaml distortion.steps=many",
        "riqa pretrain --config experiments/pixel_perfect/none.yaml",
        "riqa fit-spips --config experiments/spips/mos.yaml people.folder=x",
        "torchrun --processes 4 -m relational_iqa.cli pretrain --config experiments/pixel_perfect/gpu.yaml",
        "torchrun -m relational_iqa.cli pretrain --config experiments/pixel_perfect/gpu.yaml distortion.step=4",
        "python -m experiments.pixel_perfect.evaluate --seedz 3",
        "riqa pretrain --config experiments/pmos/cpu.yaml pmos.stepz=1",
    ],
)
def test_a_wrong_option_key_or_value_is_refused(
    wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((UsageError, SystemExit)):
        parse(wrong.split(), monkeypatch)


def test_a_command_that_nobody_sorted_and_a_module_that_is_not_there_fail(
    tmp_path: Path, commands_of: Callable[[Path], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n    riqa frobnicate A    # ?\n\n```bash\nrm -rf A \\\n    B\n```\n", encoding="utf-8")
    found = commands_of(page)
    assert [(command.line, command.text) for command in found] == [(3, "riqa frobnicate A"), (6, "rm -rf A B")]
    for command in found:
        with pytest.raises(AssertionError, match="give it a rule"):
            rule_of(command)
    with pytest.raises(ImportError):
        parse("python -m experiments.pixel_perfect.evaluat".split(), monkeypatch)
