"""verify: a true data set passes, and whatever is done to one of its files is found and named."""

import json
import shutil
import tempfile
from argparse import ArgumentParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host import verify
from host.dataset import Dataset
from tests.host import synthetic

FILES = synthetic.session_files()
SEGMENT_NAMES = sorted(name for name in FILES if "-" in name)
quick = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def delivered():
    """One delivered data set; tests put back what they damage."""
    with tempfile.TemporaryDirectory() as root:
        yield synthetic.deliver(Path(root), FILES)


def errors(folder: Path) -> list:
    return [finding for finding in verify.verify(folder).findings if finding.level == "error"]


def named(folder: Path) -> set[str]:
    return {Path(finding.file).name for finding in errors(folder)}


class damaged:
    """The file with another content (None: gone) inside the with-block."""

    def __init__(self, path: Path, content: bytes | None):
        self.path, self.content, self.before = path, content, path.read_bytes()

    def __enter__(self):
        self.path.unlink() if self.content is None else self.path.write_bytes(self.content)

    def __exit__(self, *_):
        self.path.write_bytes(self.before)


def command(*arguments: str) -> int:
    parser = ArgumentParser()
    verify.add_arguments(parser)
    return verify.run(parser.parse_args(arguments))


@pytest.mark.parametrize("layout", [synthetic.deliver, synthetic.plain_copy])
@pytest.mark.parametrize("level", ["root", "device", "session"])
def test_a_true_data_set_passes(tmp_path, layout, level, capsys):
    folder = layout(tmp_path, FILES)
    place = {"root": tmp_path, "device": folder.parent, "session": folder}[level]
    assert command(str(place), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] and [row["stream"] for row in report["streams"]] == ["imu", "mic"]
    imu = report["streams"][0]
    assert (imu["expected"], imu["stored"], imu["frames"], imu["unknown"]) == (253, 218, 218, 1)
    assert imu["lost"] == {"fifo": 7, "ring": 23, "flash": 5}
    assert all(finding["level"] == "note" for finding in report["findings"])


def test_the_table_says_what_was_lost(tmp_path, capsys):
    synthetic.deliver(tmp_path, FILES)
    assert command(str(tmp_path)) == 0
    assert "verified" in capsys.readouterr().out


def test_no_data_set_is_the_callers_fault(tmp_path, capsys):
    assert command(str(tmp_path)) == 2
    assert command(str(tmp_path / "nowhere")) == 2
    (tmp_path / "file").touch()
    assert command(str(tmp_path / "file")) == 2
    assert "no such folder" in capsys.readouterr().err


@given(name=st.sampled_from([*FILES, "SHA256SUMS"]), data=st.data())
@quick
def test_one_changed_byte_is_found_and_named(delivered, name, data):
    content = bytearray((delivered / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with damaged(delivered / name, bytes(content)):
        assert name in named(delivered) or (name == "SHA256SUMS" and named(delivered))


@given(name=st.sampled_from([*FILES, "SHA256SUMS"]), data=st.data())
@quick
def test_a_truncated_file_is_found_and_named(delivered, name, data):
    content = (delivered / name).read_bytes()
    with damaged(delivered / name, content[: data.draw(st.integers(0, len(content) - 1))]):
        assert name in named(delivered) or (name == "SHA256SUMS" and named(delivered))


@pytest.mark.parametrize("name", FILES)
def test_a_removed_file_is_found_and_named(delivered, name):
    with damaged(delivered / name, None):
        assert name in named(delivered)


@pytest.fixture(scope="module")
def copied():
    """The same session as a copy of a flash: no record of a collector to lean on."""
    with tempfile.TemporaryDirectory() as root:
        yield synthetic.plain_copy(Path(root), FILES)


@given(name=st.sampled_from([name for name in SEGMENT_NAMES if not name.endswith("json")]), data=st.data())
@quick
def test_changed_data_is_found_without_the_collectors_record(copied, name, data):
    content = bytearray((copied / "000" / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with damaged(copied / "000" / name, bytes(content)):
        finding = next(finding for finding in errors(copied) if finding.file.endswith(name))
        sidecar = json.loads(FILES[name.replace("npy", "json").replace("wav", "json")])
        assert finding.frames == (sidecar["first_frame"], sidecar["end_frame"])


EDITS = {
    "format": 2, "device": "wrist-02", "session": "00007-01-89abcde0", "stream": "mic", "seq": 2,
    "file": "imu-000002.npy", "first_frame": 65, "frames": 63, "end_frame": 1, "rate_hz": 105,
    "channels": ["ax", "ay", "az", "gx", "gz", "gy"], "units": ["m/s2", "g", "g", "deg/s", "deg/s", "deg/s"],
    "scale": [0.000123, *[0.000122] * 2, *[0.0175] * 3],
    "rate_measured_hz": 10.6, "anchors": [[154, 1]], "gaps": [], "bytes": 1, "crc32": "00000000", "sha256": "0" * 64,
    "ledger": {"expected": 1, "stored": 1, "lost": {}, "unknown": 0},
}  # fmt: skip


@pytest.mark.parametrize("key", EDITS)
def test_an_edited_sidecar_is_found_without_the_collectors_record(copied, key):
    path = copied / "000" / "imu-000001.json"
    sidecar = json.loads(path.read_bytes())
    assert sidecar[key] != EDITS[key]
    with damaged(path, json.dumps({**sidecar, key: EDITS[key]}).encode()):
        assert path.name in named(copied)


def test_a_sidecar_that_lies_consistently_is_found_by_its_neighbours(copied):
    path = copied / "000" / "mic-000001.json"
    sidecar = json.loads(path.read_bytes())
    moved = {**sidecar, "first_frame": sidecar["first_frame"] + 1, "end_frame": sidecar["end_frame"] + 1}
    [[frame, t_us]] = sidecar["anchors"]
    backwards = {**sidecar, "anchors": [[frame - 1, t_us], [frame, t_us - 1]]}
    for lie in (moved, backwards):
        with damaged(path, json.dumps(lie).encode()):
            assert path.name in named(copied)


def test_an_edited_gap_is_found_without_the_collectors_record(copied):
    path = copied / "000" / "imu-000001.json"
    sidecar = json.loads(path.read_bytes())
    frame, lost, _ = sidecar["gaps"][0]
    for gap in ([frame, lost + 1, "fifo"], [frame, lost, "ring"], [frame, None, "fifo"], [frame - 60, lost, "fifo"]):
        with damaged(path, json.dumps({**sidecar, "gaps": [gap, *sidecar["gaps"][1:]]}).encode()):
            assert path.name in named(copied)


@pytest.mark.parametrize("change", [
    {"expected": 254}, {"stored": 217}, {"lost": {"fifo": 8, "ring": 22, "flash": 5}}, {"unknown": 0},
    {"segments": 3}, {"segments": 5}, {"end_frame": 254}, {"tail": []},
])  # fmt: skip
def test_an_edited_ledger_is_found_without_the_collectors_record(copied, change):
    ledger = json.loads(FILES["ledger.json"])
    ledger["streams"]["imu"].update(change)
    with damaged(copied / "ledger.json", json.dumps(ledger).encode()):
        assert errors(copied)


def rebuilt(tmp_path: Path, change) -> Path:
    """A delivered data set whose files `change` worked on before the delivery: no record tells of it."""
    files = dict(FILES)
    change(files)
    return synthetic.deliver(tmp_path, files)


def drop(*names):
    return lambda files: [files.pop(name) for name in names]


def test_a_missing_segment_is_named_with_its_frames(tmp_path):
    folder = rebuilt(tmp_path, drop("imu-000001.npy", "imu-000001.json"))
    [missing] = [finding for finding in errors(folder) if finding.file.endswith("imu-000001.npy")]
    before, after = json.loads(FILES["imu-000000.json"]), json.loads(FILES["imu-000002.json"])
    assert missing.frames == (before["end_frame"], after["first_frame"])


def test_missing_first_and_last_segments_are_named(tmp_path):
    folder = rebuilt(tmp_path, drop("imu-000000.npy", "imu-000000.json", "mic-000002.wav", "mic-000002.json"))
    frames = {Path(finding.file).name: finding.frames for finding in errors(folder)}
    assert frames["imu-000000.npy"] == (0, 64)
    assert frames["mic-000002.wav"] == (4096, 5000)


def test_a_file_that_the_collectors_record_does_not_know_is_named(delivered):
    lines = (delivered / "SHA256SUMS").read_text().splitlines(keepends=True)
    for k, line in enumerate(lines):
        with damaged(delivered / "SHA256SUMS", "".join(lines[:k] + lines[k + 1 :]).encode()):
            assert named(delivered) == {line.split()[1]}


def test_a_loss_that_was_estimated_is_a_warning(tmp_path):
    def change(files):
        ledger = json.loads(files["ledger.json"])
        ledger["streams"]["imu"]["lost_exact"] = False
        files["ledger.json"] = json.dumps(ledger).encode()

    report = verify.verify(rebuilt(tmp_path, change))
    warnings = [finding.what for finding in report.findings if finding.level == "warning"]
    assert report.ok and len(warnings) == 1 and "imu" in warnings[0] and "estimate" in warnings[0]


def test_an_open_session_is_no_error(tmp_path):
    folder = rebuilt(tmp_path, drop("ledger.json", "mic-000002.json"))
    report = verify.verify(folder)
    assert report.ok
    assert {row["state"] for row in report.streams} == {"open"}
    notes = [Path(finding.file).name for finding in report.findings if finding.level == "note"]
    assert sorted(notes) == ["ledger.json", "mic-000002.wav"]


def with_retention(files, stored: int) -> None:
    drop("mic-000001.wav", "mic-000001.json")(files)
    ledger = json.loads(files["ledger.json"])
    dropped = [[1, 1, 2048, 4096, 5000 - stored]]
    ledger["streams"]["mic"].update(stored=stored, lost={"retention": 5000 - stored}, dropped=dropped)
    files["ledger.json"] = json.dumps(ledger).encode()


def test_a_segment_that_the_board_dropped_and_owned_up_to_is_no_error(tmp_path):
    report = verify.verify(rebuilt(tmp_path, lambda files: with_retention(files, 5000 - 2048)))
    assert report.ok
    [dropped] = [finding for finding in report.findings if finding.level == "warning"]
    assert (Path(dropped.file).name, dropped.frames) == ("mic-000001.wav", (2048, 4096))


def test_retention_does_not_excuse_more_than_it_says(tmp_path):
    folder = rebuilt(tmp_path, lambda files: with_retention(files, 5000 - 1024))
    assert named(folder) == {"ledger.json"}


def test_retention_is_what_the_dropped_segments_held(tmp_path):
    def change(files):
        with_retention(files, 5000 - 2048)
        ledger = json.loads(files["ledger.json"])
        ledger["streams"]["mic"]["dropped"] = [[1, 1, 2048, 4096, 2047]]
        files["ledger.json"] = json.dumps(ledger).encode()

    assert named(rebuilt(tmp_path, change)) == {"ledger.json"}


def test_retention_does_not_excuse_another_segment(tmp_path):
    def change(files):
        with_retention(files, 5000 - 2048)
        drop("mic-000000.wav", "mic-000000.json")(files)

    assert named(rebuilt(tmp_path, change)) == {"mic-000000.wav to mic-000001.wav"}


def test_absurd_numbers_in_a_ledger_take_no_time(copied):
    ledger = json.loads(FILES["ledger.json"])
    ledger["streams"]["imu"].update(segments=2**53, end_frame=2**53, dropped=[[4, 2**53, 250, 2**53, 0]])
    with damaged(copied / "ledger.json", json.dumps(ledger).encode()):
        assert "ledger.json" in named(copied)


def test_a_segment_that_arrived_although_the_board_counts_it_as_dropped_is_no_error(tmp_path):
    def change(files):
        kept = {name: files[name] for name in ("mic-000001.wav", "mic-000001.json")}
        with_retention(files, 5000 - 2048)
        files.update(kept)

    report = verify.verify(rebuilt(tmp_path, change))
    assert [(Path(f.file).name, f.level) for f in report.findings] == [("mic-000001.json", "note")]


def test_a_file_put_beside_a_delivered_session_is_found(tmp_path):
    folder = synthetic.deliver(tmp_path, FILES)
    shutil.copy(folder / "imu-000003.npy", folder / "imu-000004.npy")
    (folder / "notes.txt").write_text("hello")
    report = verify.verify(folder)
    assert {Path(f.file).name: f.level for f in report.findings} == {"imu-000004.npy": "error", "notes.txt": "note"}


@given(name=st.sampled_from([*FILES, "SHA256SUMS"]), content=st.binary(max_size=300))
@quick
def test_no_content_of_a_file_makes_reading_fail(delivered, name, content):
    original = (delivered / name).read_bytes()
    for damage in (content, original[:40] + content + original[40:], content + original):
        with damaged(delivered / name, damage):
            if damage != original:
                assert not verify.verify(delivered).ok
            for stream in Dataset(delivered).sessions[0].streams.values():
                numbers, frames = stream.numbered_frames()
                assert len(numbers) == len(frames) == len(stream.times_us()) == len(stream.values())
