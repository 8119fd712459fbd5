"""Names stay in their folder; files appear whole or not at all."""

from __future__ import annotations

import os
import resource
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carrara.errors import InputError, PathEscape, StorageError
from carrara.nodes.store import Files, add_file, inside, tokens, write_file

NOON = time.struct_time((2031, 2, 3, 4, 5, 6, 0, 34, 0))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    for name in ("in", "out", "temp"):
        (tmp_path / name).mkdir()
    return Files(tmp_path / "in", tmp_path / "out", tmp_path / "temp")


def test_tokens_are_filled_and_unknown_ones_left():
    prefix = "%year%-%month%-%day% %hour%%minute%%second% %width%x%height% %batch_num% %date:yy%"
    assert tokens(prefix, 640, 48, NOON) == "2031-02-03 040506 640x48 %batch_num% %date:yy%"


def test_an_annotation_chooses_the_folder(files):
    (files.output_dir / "x.png").write_bytes(b"out")
    assert files.find("x.png [output]") == files.output_dir.resolve() / "x.png"
    with pytest.raises(InputError, match="no file"):
        files.find("x.png")
    assert files.fault("x.png") is not None
    assert files.fault("x.png [output]") is None


@pytest.mark.parametrize("name", ["../out/x.png", "/etc/passwd", "a/../../out/x.png", "link.png", "dir/x.png", "a\0b"])
def test_reading_stays_inside(files, name):
    (files.output_dir / "x.png").write_bytes(b"")
    (files.input_dir / "link.png").symlink_to(files.output_dir / "x.png")
    (files.input_dir / "dir").symlink_to(files.output_dir)
    with pytest.raises(PathEscape):
        files.find(name)


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a/../../x", "dir/x", "%batch_num%/../../x", "a\0b", "a\0b/c"])
def test_writing_stays_inside(files, prefix):
    (files.output_dir / "dir").symlink_to(files.input_dir)
    with pytest.raises(PathEscape):
        files.slot(prefix)


@given(st.text(max_size=20))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_gets_out(tmp_path, name):
    with suppress(PathEscape):
        assert inside(tmp_path, name).resolve().is_relative_to(tmp_path.resolve())


def test_numbers_go_on_after_the_highest(files):
    for name in ("x_00007_.png", "x_12_.jpg", "x_y_00099_.png", "xx_00050_.png", "x_abc_.png", "x_.png", "x_3"):
        (files.output_dir / name).touch()
    slot = files.slot("x")
    assert (slot.counter, slot.stem, slot.subfolder) == (13, "x", "")
    assert files.slot("x_y").counter == 100


def test_a_prefix_with_a_slash_makes_a_sub_folder(files):
    slot = files.slot("a/b/../c")
    assert (slot.folder, slot.subfolder, slot.stem) == (files.output_dir.resolve() / "a", "a", "c")
    saved = files.save(slot, slot.counter, "png", b"data")
    assert saved.path.read_bytes() == b"data"
    assert saved.shown() == {"filename": "c_00001_.png", "subfolder": "a", "type": "output"}


def test_the_batch_number_is_filled_per_file(files):
    slot = files.slot("p%batch_num%q")
    assert files.save(slot, slot.counter, "png", b"", 3).path.name == "p3q_00001_.png"


def test_a_number_taken_meanwhile_is_skipped(files):
    slot = files.slot("x")
    (files.output_dir / "x_00001_.png").write_bytes(b"other")
    saved = files.save(slot, slot.counter, "png", b"mine")
    assert saved.path.name == "x_00002_.png"
    assert (files.output_dir / "x_00001_.png").read_bytes() == b"other"


def test_many_writers_never_overwrite_each_other(files):
    def work(tag: int) -> None:
        for i in range(20):
            slot = files.slot("x")
            files.save(slot, slot.counter, "bin", f"{tag}.{i}".encode())

    threads = [threading.Thread(target=work, args=(tag,)) for tag in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted(path.name for path in files.output_dir.iterdir())
    assert found == [f"x_{i:05}_.bin" for i in range(1, 81)]
    assert len({path.read_bytes() for path in files.output_dir.iterdir()}) == 80


@contextmanager
def small_disk():
    """Writing more than 1 KB to a file fails, as on a full disk. Short: the test runner's own log is a file too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_write_leaves_nothing(files):
    slot = files.slot("x")
    with pytest.raises(StorageError, match="cannot write"), small_disk():
        files.save(slot, 1, "png", bytes(5000))
    write_file(files.output_dir / "kept", b"old")
    with pytest.raises(StorageError), small_disk():
        write_file(files.output_dir / "kept", bytes(5000))
    assert [path.name for path in files.output_dir.iterdir()] == ["kept"]
    assert (files.output_dir / "kept").read_bytes() == b"old"


def test_a_folder_that_cannot_be_made(files):
    (files.output_dir / "a").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write"):
        files.slot("a/b")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_folder(files):
    files.output_dir.chmod(0o555)
    slot = files.slot("x")
    with pytest.raises(StorageError, match="another output folder"):
        files.save(slot, 1, "png", b"")


def test_a_name_that_is_too_long(files):
    with pytest.raises(StorageError, match="shorter"):
        files.save(files.slot("x" * 300), 1, "png", b"")


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    def name(number: int) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_file(tmp_path, name, 1, b"data")
    assert list(tmp_path.iterdir()) == []


def test_the_fingerprint_follows_the_content(files):
    path = files.input_dir / "x"
    path.write_bytes(b"one")
    first = files.fingerprint("x")
    assert files.fingerprint("x") == first
    path.write_bytes(b"two!")
    assert files.fingerprint("x") != first


def test_listings(files):
    for name in ("b.png", "a.JPG", "notes.txt", "z.latent"):
        (files.input_dir / name).touch()
    (files.input_dir / "folder.png").mkdir()
    assert files.choices("input_images") == ("a.JPG", "b.png")
    assert files.choices("input_latents") == ("z.latent",)
    assert files.choices("checkpoints") is None


def test_the_temp_folder_can_be_emptied(files):
    (files.temp_dir / "x").touch()
    files.clear_temp()
    assert not files.temp_dir.exists()
    files.clear_temp()


@pytest.mark.parametrize("prefix", ["a", "a/b", "..", ".", "", "%width%/x", "../x", "/x", "a\0", "a/../.."])
def test_a_bad_prefix_is_known_beforehand(files, prefix):
    fault = files.prefix_fault(prefix)
    assert list(files.output_dir.iterdir()) == []
    if fault is None:
        assert files.slot(prefix).folder.is_relative_to(files.output_dir.resolve())
    else:
        with pytest.raises(PathEscape):
            files.slot(prefix)
