"""The configuration that session.json shows lies on the flash meanwhile: it is the one of the boot, or none."""

import os

from app import build, main
from storage.files import write_file

build.SHOWN = main.SHOWN = "shown.json"  # in this test's folder
CONFIG = {"device": "wrist-01", "network": {"wifi": ["Café ☕"]}, "streams": {"imu": {"rate_hz": 104}}}


class Board:
    """As much of app.main.Board as is asked."""

    configuration = main.Board._configuration

    def __init__(self, config):
        self.shown = build._aside(config)


def test_it_comes_back_from_the_flash():
    board = Board(CONFIG)
    assert board.shown[1] is None and os.stat("shown.json")[6] == board.shown[0][0]
    assert board.configuration() == CONFIG


def test_a_boot_with_another_configuration_replaces_it():
    Board({"device": "wrist-02"})
    board = Board(CONFIG)
    assert board.configuration() == CONFIG


def test_it_is_written_only_when_it_is_another_one():
    Board(CONFIG)
    os.mkdir("shown.json.new")  # where it would be written first
    try:
        board = Board(CONFIG)
    finally:
        os.rmdir("shown.json.new")
    assert board.shown[1] is None and board.configuration() == CONFIG


def test_what_changed_meanwhile_is_not_shown():
    board = Board(CONFIG)
    with open("shown.json") as file:
        text = file.read()
    for other in (text.replace("104", "208"), text[:-1], "", "[]", text + " "):
        write_file("shown.json", other.encode())
        assert board.configuration() is None, other
    os.remove("shown.json")
    assert board.configuration() is None
    write_file("shown.json", text.encode())
    assert board.configuration() == CONFIG


def test_on_a_flash_that_does_not_take_it_it_stays_in_ram():
    os.mkdir("shown.json.new")  # where it would be written first
    try:
        board = Board({"device": "wrist-03"})
    finally:
        os.rmdir("shown.json.new")
    assert board.shown[1] and board.configuration() == {"device": "wrist-03"}


def test_one_too_long_for_its_file_stays_in_ram():
    config = {"text": "x" * 20000}
    board = Board(config)
    assert board.shown[1] and board.configuration() == config
