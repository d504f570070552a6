"""What Control refuses, and why, on a board of straw."""

from types import SimpleNamespace

import pytest

from app.control import MAX_OPEN, MAX_TEXT, Control


class Spool:
    """Takes labels for `session`."""

    def __init__(self):
        self.session = "00001-00-aaaaaaaa"
        self.labels = []

    def label(self, entry):
        self.labels.append(entry)


@pytest.fixture
def board():
    clock = SimpleNamespace(t_us=lambda: 7)
    return SimpleNamespace(state="recording", orders=[], why=None, clock=clock, spool=Spool())


@pytest.mark.parametrize("name", ["start", "stop", "pause", "status", "reboot", "safe-mode", "exit"])
def test_orders_take_nothing_behind_them(board, name):
    assert Control(board).do(f"{name} now") == (False, f"{name} takes nothing behind it")
    assert not board.orders


@pytest.mark.parametrize("name", ["stop", "pause", "reboot", "safe-mode", "exit"])
def test_orders_wait_for_the_loop(board, name):
    ok, text = Control(board).do(name)
    assert ok and text and board.orders == [name]


def test_start_while_it_records_is_refused_but_not_behind_a_stop(board):
    control = Control(board)
    assert control.do("start") == (False, "it is recording already")
    assert control.do("stop")[0] and control.do("start")[0]
    assert control.do("start") == (False, "it is recording already")
    assert board.orders == ["stop", "start"]


def test_bug_a_pause_promised_the_end_of_no_recording(board):
    """`pull` believed it, and waited for that end for a minute."""
    control = Control(board)
    assert "the recording ends" in control.do("pause")[1]
    assert "the recording ends" not in control.do("pause")[1] + control.do("stop")[1]
    board.state = "idle"
    del board.orders[:]
    assert control.do("pause")[0] and "the recording ends" not in control.do("pause")[1] + control.do("stop")[1]
    assert control.do("start")[0] and "the recording ends" in control.do("pause")[1], "it begins, and ends"


def test_labels_have_limits(board):
    control = Control(board)
    assert control.do("label " + "x" * MAX_TEXT)[0]
    assert control.do("label " + "x" * (MAX_TEXT + 1)) == (
        False, f"a label has at most {MAX_TEXT} characters, this has {MAX_TEXT + 1}",
    )  # fmt: skip
    for i in range(MAX_OPEN):
        assert control.do(f"label-start {i}")[0]
    assert control.do("label-start one more") == (False, f"{MAX_OPEN} labels are begun already: label-end ends one")
    assert control.do("label-start 0")[0], "one that is begun may begin again"
    assert control.do("label-end 3")[0] and control.do("label-start one more")[0]


def test_a_label_ends_in_the_session_in_which_it_began(board):
    control = Control(board)
    assert control.do("label-start walk")[0]
    board.spool.session = "00001-01-bbbbbbbb"
    assert control.do("label-end walk") == (False, "no label of that text was begun in this recording")


def test_what_there_is_not_is_told_with_what_there_is(board):
    ok, text = Control(board).do("dance")
    assert not ok and "'dance'" in text and "safe-mode" in text
    board.state, board.why = "safe", "by command"
    assert Control(board).do("start") == (False, "the board is in safe mode (by command): reboot leaves it")
    assert Control(board).do("reboot")[0]
