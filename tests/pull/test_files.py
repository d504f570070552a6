"""Files on their way into a data set, from boards of straw."""

import hashlib

import pytest

from host.pull import files
from host.pull.link import Part
from host.store import Place, Store

CONTENT = bytes(range(250)) * 8
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SESSION = "00001-00-aaaaaaaa"


class Board:
    """Sends its only file in pieces; `meanwhile` is called in the middle of it."""

    def __init__(self, name: str, meanwhile=lambda: None):
        self.part = Part(f"{name}/{SESSION}/mic-000000.wav", "/x", len(CONTENT), SHA256)
        self._meanwhile = meanwhile
        self.asked: list[int] = []

    def read(self, part, offset):
        self.asked.append(offset)
        yield CONTENT[offset : offset + 100]
        self._meanwhile()
        yield CONTENT[offset + 100 :]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "partial_folder", lambda: tmp_path / "partial")
    made = Store(tmp_path / "out")
    made.prepare()
    return made


def stored(store: Store, board: Board) -> bytes:
    place = Place(store.root, *board.part.remote.split("/"))
    assert store.stored_sha256(place) == SHA256
    return (store.root / board.part.remote).read_bytes()


def fetch(store: Store, board: Board) -> None:
    files.fetch(store, board, board.part, lambda n: None)


def test_bug_two_pulls_of_the_same_content_wrote_into_one_file(store, tmp_path):
    other = Board("other")
    board = Board("one", lambda: fetch(store, other))
    fetch(store, board)
    assert stored(store, board) == stored(store, other) == CONTENT
    assert board.asked == other.asked == [0]
    assert not list((tmp_path / "partial").iterdir())


def test_what_was_cut_off_goes_on_and_what_another_pull_removed_begins_anew(store, tmp_path):
    class Cut(BaseException):
        pass

    def cut():
        raise Cut

    with pytest.raises(Cut):
        fetch(store, Board("one", cut))
    board = Board("one")
    fetch(store, board)
    assert stored(store, board) == CONTENT and board.asked == [100]
    again = Board("two")
    fetch(store, again)
    assert stored(store, again) == CONTENT and again.asked == [0]
