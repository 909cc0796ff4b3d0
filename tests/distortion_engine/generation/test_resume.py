"""riqa generate that was stopped: what is whole stays, what is not is made again, and nothing else is touched."""

import os
import resource
from pathlib import Path

import pytest

from distortion_engine.errors import UsageError
from distortion_engine.generation import generate as export
from distortion_engine.generation import shards, usable_photos
from distortion_engine.generation.generate import generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import libraries
from distortion_engine.generation.workers import Workforce
from distortion_engine.jobs import safe_files
from distortion_engine.jobs.safe_files import atomic_file, sole_writer
from experiments.fuzz import kill_generate
from experiments.fuzz.kill_generate import PLACES, check_kills

IMAGES = Path(__file__).parents[2] / "images"
OPTIONS = {"sets": 5, "seed": 3, "size_px": 48, "sets_per_shard": 2}


def run(out: Path, workers: int = 0, resume: str = "auto", photos: Path = IMAGES, **options) -> dict:
    return generate(photos, out, GenerateOptions(**{**OPTIONS, **options}), None, Workforce(workers=workers), resume)


def everything(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def full_after(files: int):
    """os.replace of a disk that is full after so many files."""
    room = iter([True] * files)

    def replaces(source: object, target: object, move=os.replace) -> None:
        if not next(room, False):
            raise OSError(28, "No space left on device")
        move(source, target)

    return replaces


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole")
    run(out)
    return everything(out)


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of seven sets instead of five."""
    out = tmp_path_factory.mktemp("more")
    run(out, sets=7)
    return everything(out)


@pytest.fixture
def unfinished(tmp_path: Path, whole: dict[str, bytes]) -> Path:
    """What a kill leaves: the first line of the manifest and that of a complete shard, the shard, one temporary file;
    no sheet."""
    out = tmp_path / "unfinished"
    (out / "shards").mkdir(parents=True)
    lines = whole["manifest.jsonl"].splitlines(keepends=True)
    (out / "manifest.jsonl").write_bytes(lines[0] + lines[2])
    (out / "shards/ranked-000001.tar").write_bytes(whole["shards/ranked-000001.tar"])
    (out / "shards/.ranked-000002.tar.host-7-7.partial").write_bytes(b"half")
    return out


def test_killed_runs_resume_to_the_bytes_of_an_undisturbed_run(tmp_path: Path):
    options = GenerateOptions(sets=6, seed=5, size_px=32, sets_per_shard=1)
    kills = list(check_kills(2, tmp_path, options=options, rows=(2,)))
    assert 2 <= len(kills) <= 3 and all(kill.where in PLACES for kill in kills)


def test_a_run_that_found_nothing_to_write_does_not_move_the_kills_to_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn: list[float] = []
    run_and_kill = kill_generate._run_and_kill

    def nothing_at_first(photos: Path, out: Path, options: GenerateOptions, after_s: float, way: str):
        drawn.append(after_s)
        if len(drawn) > 1:
            return run_and_kill(photos, out, options, after_s, way)
        out.mkdir()  # as if workers of a killed run had completed it
        return 0.0, None

    monkeypatch.setattr(kill_generate, "_run_and_kill", nothing_at_first)
    options = GenerateOptions(sets=2, seed=5, size_px=32, sets_per_shard=1)
    assert len(list(check_kills(1, tmp_path, options=options, rows=(1,)))) == 1
    assert len(drawn) > 1 and min(drawn) > 0


def test_an_unfinished_run_is_completed_and_its_whole_shards_are_not_made_again(
    unfinished: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made: list[int] = []
    write = shards.write_shard
    monkeypatch.setattr(export, "write_shard", lambda job, shard, tick: made.append(shard) or write(job, shard, tick))
    assert run(unfinished)["shards_found"] == 1
    assert made == [0, 2] and everything(unfinished) == whole
    assert "goes on: 1 of 3 shards are there" in capsys.readouterr().err


def test_the_format_of_the_resumed_run_does_not_depend_on_its_workers(unfinished: Path, whole: dict[str, bytes]):
    run(unfinished, workers=2)
    assert everything(unfinished) == whole


@pytest.mark.parametrize("damage", ["bit", "label", "padding", "cut", "empty", "other set"])
@pytest.mark.parametrize("finished", [False, True])
def test_a_damaged_shard_is_made_again(unfinished: Path, whole: dict[str, bytes], damage: str, finished: bool):
    shard = unfinished / "shards/ranked-000001.tar"
    content = bytearray(shard.read_bytes())
    if finished:
        (unfinished / "manifest.jsonl").write_bytes(whole["manifest.jsonl"])
    if damage == "bit":
        content[1000] ^= 1
    if damage == "label":  # of no file that the record of its set has a hash of
        content[content.index(b'"certainty": ') + len(b'"certainty": ')] ^= 1
    if damage == "padding":
        content[-1] ^= 1
    shard.write_bytes({"cut": content[:-20000], "empty": b"", "other set": whole["shards/ranked-000000.tar"]}.get(
        damage, content))  # fmt: skip
    assert run(unfinished)["shards_found"] == 0
    assert everything(unfinished) == whole


@pytest.mark.parametrize("cut", [1, 40])
def test_a_line_of_the_manifest_that_a_kill_cut_short_is_written_again(
    unfinished: Path, whole: dict[str, bytes], cut: int
):
    manifest = unfinished / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-cut])
    assert run(unfinished)["shards_found"] == 0
    assert everything(unfinished) == whole


def test_shards_of_a_run_that_was_stopped_are_listed_and_not_made_again(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full_after(3))  # head and two shards
        with pytest.raises(UsageError, match="No space left on device"):
            run(tmp_path)
    assert run(tmp_path)["shards_found"] == 2
    assert everything(tmp_path) == whole


def test_a_finished_run_is_checked_and_stays_as_it_is(unfinished: Path, whole: dict[str, bytes]):
    run(unfinished)
    assert run(unfinished)["shards_found"] == 3
    assert everything(unfinished) == whole


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 4}, "seed 3 there, 4 asked for"),
        ({"sets": 4}, "sets 5 there, 4 asked for"),
        ({"sets": 6, "seed": 4}, "seed 3 there, 4 asked for; sets|sets 5 there, 6 asked for; seed"),
        ({"dense": True}, "dense False there, True asked for"),
        ({"image_format": "webp"}, "image_format png there, webp asked for"),
        ({"distortions": ("jpeg",)}, "distortions all there, jpeg asked for"),
        ({"kinds": {"tie": 1.0}}, "kinds default there, tie=1.0 asked for"),
        ({"mask_share": 0.4}, "mask_share 0.5 there, 0.4 asked for"),
        ({"sets_per_shard": 3}, "sets_per_shard 2 there, 3 asked for"),
    ],
)
def test_a_run_of_other_options_is_refused_by_what_differs_and_left_alone(unfinished: Path, other: dict, said: str):
    before = everything(unfinished)
    with pytest.raises(UsageError, match=said):
        run(unfinished, **other)
    assert everything(unfinished) == before


@pytest.mark.parametrize("finished", [True, False])
def test_more_sets_of_the_same_are_added_to_the_bytes_of_a_run_of_as_many(
    unfinished: Path, more: dict[str, bytes], finished: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    if finished:
        run(unfinished)
    made: list[int] = []
    write = shards.write_shard
    monkeypatch.setattr(export, "write_shard", lambda job, shard, tick: made.append(shard) or write(job, shard, tick))
    summary = run(unfinished, sets=7)
    assert made == ([2, 3] if finished else [0, 2, 3])  # the third was not full
    assert (summary["sets"], summary["shards_found"]) == (7, 2 if finished else 1)
    assert everything(unfinished) == more
    assert "adds sets: 5 were asked for, now 7" in capsys.readouterr().err
    with pytest.raises(UsageError, match="sets 7 there, 5 asked for"):
        run(unfinished)


def test_a_listed_shard_that_was_exchanged_is_made_again_when_sets_are_added(
    unfinished: Path, tmp_path: Path, whole: dict[str, bytes], more: dict[str, bytes]
):
    for name, content in whole.items():
        (unfinished / name).write_bytes(content)
    run(tmp_path / "other", sets=2, distortions=("jpeg", "white_noise"))  # the same numbers and seed, other pixels
    tar = "shards/ranked-000000.tar"
    (unfinished / tar).write_bytes((tmp_path / "other" / tar).read_bytes())
    assert run(unfinished, sets=7)["shards_found"] == 1
    assert everything(unfinished) == more


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
def test_adding_sets_goes_on_after_it_was_stopped_at_any_file(
    unfinished: Path, whole: dict[str, bytes], more: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, fails_at: int
):
    """fails_at: header, two shards, sheet."""
    for name, content in whole.items():
        (unfinished / name).write_bytes(content)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full_after(fails_at))
        with pytest.raises(UsageError, match="No space left on device"):
            run(unfinished, sets=7)
    run(unfinished, sets=7)
    assert everything(unfinished) == more


def test_a_photograph_that_changed_or_came_is_a_difference(unfinished: Path, tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in IMAGES.glob("photo_*.png"):
        (photos / photo.name).write_bytes(photo.read_bytes())
    (photos / "photo_4.png").write_bytes((photos / "photo_1.png").read_bytes())
    (photos / "photo_2.png").write_bytes((photos / "photo_1.png").read_bytes())
    with pytest.raises(UsageError, match=r"1 photographs new \(photo_4.png\); 1 photographs changed \(photo_2.png\)"):
        run(unfinished, photos=photos)


def test_a_photograph_that_changes_during_the_run_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
):
    monkeypatch.setattr(usable_photos, "file_sha256", lambda path: "0" * 64)  # as it was when the run began
    with pytest.raises(UsageError, match="is another file than when the run began"):
        run(tmp_path / "out")


def test_other_libraries_on_a_machine_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    there = {**libraries(), "numpy": "1.0"}
    monkeypatch.setattr(shards, "libraries", lambda restoration: there)
    with pytest.raises(UsageError, match="has numpy 1.0, not .*same releases"):
        run(tmp_path / "out")


LAYOUT_ALONE = b'{"layout": "ranked sets in WebDataset shards, 2"}\n'


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b'{"index": 0}\n', b"[1]\n", b"\xff\n", LAYOUT_ALONE, b"[" * 100_000 + b"\n"]
)
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, content: bytes | None):
    (tmp_path / ("notes.txt" if content is None else "manifest.jsonl")).write_bytes(content or b"")
    before = everything(tmp_path)
    with pytest.raises(UsageError, match="give a new"):
        run(tmp_path)
    assert everything(tmp_path) == before


def test_resume_never_refuses_what_auto_would_complete(unfinished: Path):
    with pytest.raises(UsageError, match="not empty.*--resume auto"):
        run(unfinished, resume="never")
    with pytest.raises(UsageError, match="auto, never"):
        run(unfinished, resume="always")


def test_an_output_that_cannot_be_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be written"):
            run(out)


def test_a_second_run_is_kept_out_while_the_first_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(safe_files, "_LOCK_PATIENCE_S", 0.0)
    with sole_writer(tmp_path), pytest.raises(UsageError, match="another run is writing here"):
        run(tmp_path)
    run(tmp_path, sets=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_disk_ends_in_one_line_without_debris_and_the_run_can_go_on(
    tmp_path: Path, whole: dict[str, bytes], workers: int
):
    """The system's own limit on the size of files stands in for the end of the disk: it stops a real write half way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = min(len(whole["shards/ranked-000000.tar"]), len(whole["shards/ranked-000001.tar"])) // 2
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        with pytest.raises(UsageError) as caught:
            run(tmp_path, workers=workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written" in str(caught.value) and "make room" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(everything(tmp_path)) <= {"manifest.jsonl", "shards/ranked-000002.tar"}
    run(tmp_path)
    assert everything(tmp_path) == whole


@pytest.mark.parametrize("fails_at", range(5))
def test_a_disk_that_is_full_at_any_file_leaves_what_was_whole(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, fails_at: int
):
    """fails_at: header, three shards, sheet."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full_after(fails_at))
        with pytest.raises(UsageError, match="No space left on device.*make room"):
            run(tmp_path)
    left = everything(tmp_path)
    names = ["manifest.jsonl", *(f"shards/ranked-00000{number}.tar" for number in range(3))]
    assert list(left) == names[:fails_at]
    lines = whole["manifest.jsonl"].splitlines(keepends=True)
    assert left.get("manifest.jsonl", b"") == b"".join(lines[:fails_at])
    assert all(left[name] == whole[name] for name in names[1:fails_at])
    run(tmp_path)
    assert everything(tmp_path) == whole


def test_a_file_appears_complete_or_not_at_all(tmp_path: Path):
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a") as stream:
        stream.write(b"half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with atomic_file(tmp_path / "a") as stream:
        stream.write(b"whole")
        assert not (tmp_path / "a").exists()
    assert everything(tmp_path) == {"a": b"whole"}
