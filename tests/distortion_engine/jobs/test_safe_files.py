"""Files that appear complete or not at all, and what is never replaced by one."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, file_hashes, file_sha256, is_device, make_folder


def write(path: Path, content: bytes = b"new") -> None:
    with atomic_file(path) as stream:
        stream.write(content)


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write(pipe)
    reader.join(10)
    assert read == [b"new"] and stat.S_ISFIFO(pipe.stat().st_mode) and list(tmp_path.iterdir()) == [pipe]


def test_a_device_is_written_to_and_stays() -> None:
    write(Path(os.devnull))
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(UsageError, match="/dev/full: cannot be written"):
        write(Path("/dev/full"))


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(UsageError, match="is a socket; give a file"):
            write(tmp_path / "socket")
        assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)


def test_open_files_of_the_process_are_written_to_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before, ")
    with open(tmp_path / "a", "ab") as stream:
        path = Path(f"/dev/fd/{stream.fileno()}")
        assert is_device(path)
        write(path)
    assert (tmp_path / "a").read_bytes() == b"before, new"


def test_of_a_link_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"


def test_a_loop_of_links_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UsageError, match="a: cannot be written"):
        write(tmp_path / "a")


def test_a_name_as_long_as_the_system_takes_can_be_written(tmp_path: Path) -> None:
    write(tmp_path / ("é" * 125))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_hashes_are_in_the_order_of_the_files_and_empty_for_those_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    found = file_hashes([tmp_path / "none", tmp_path / "a", tmp_path])
    assert found == ["", file_sha256(tmp_path / "a"), ""]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    make_folder(tmp_path / "new" / "below")
    with pytest.raises(UsageError, match="below: cannot be written"):
        make_folder(tmp_path / "file" / "below")
