"""Code in the board's read-only partition is not copied into its file system."""

from config.board_model import board
from host.board_files import board_files
from host.push import plan
from host.romfs import image


def test_push_leaves_out_what_the_rom_has():
    wanted = {"/app/main.mpy": b"code", "/lib/aioble/core.mpy": b"package", "/config.json": b"{}", plan.CODE: b"0123"}
    left = plan.beyond_rom(wanted, plan.sha256(b"0123"))
    assert set(left) == {"/lib/aioble/core.mpy", "/config.json", plan.CODE}
    assert plan.beyond_rom(wanted, plan.sha256(b"older")) == wanted
    assert plan.beyond_rom(wanted, None) == wanted


def test_the_image_fits_the_board_that_needs_it():
    firmware = board("nano_33_ble_sense").firmware
    content = image(firmware.mpy_arch)
    assert content[:3] == b"\xd2\xcd\x31"  # ROMFS (extmod/vfs_rom.c)
    assert len(board_files()) * 100 < len(content) <= firmware.romfs_kb * 1024
