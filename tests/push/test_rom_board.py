"""A whole board that has Motelog's code in a read-only partition (ROMFS): push leaves the code out, and it records."""

import pytest

from host.push import command as push
from host.romfs import image as rom_image
from host.virtual import image
from host.virtual.compiler import architecture
from host.virtual.world import world_for
from tests.push.test_push import MOTION, call, config  # noqa: F401 - a fixture
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter
from tests.virtual.console_client import powered

# What a firmware with such a partition does before boot.py (MicroPython: extmod/vfs_rom_ioctl.c, shared/runtime); the
# Unix port has VfsRom and no partition, so that the image is in its heap here.
BOOT = b"""
import sys, vfs
with open("/rom.img", "rb") as file:
    vfs.mount(vfs.VfsRom(file.read()), "/rom")
sys.path.append("/rom")
"""
HEAP_KB = 1536


@pytest.mark.parametrize("width", WIDTHS)
def test_code_in_a_read_only_partition(config, tmp_path, capsys, width):  # noqa: F811
    micropython = interpreter(width)
    if not micropython:
        pytest.skip(HOW_TO_GET[width])
    (tmp_path / "board").mkdir()
    files = {"/boot.py": BOOT, "/rom.img": rom_image(architecture(micropython))}
    image.write_tree(tmp_path / "board" / "flash.bin", files, size_kb=2048)
    with powered(tmp_path / "board", micropython, HEAP_KB, **world_for(MOTION, flash_kb=2048)) as console:
        code, told, said = call(push, capsys, config, "--port", console.port)
        assert code == 0, said
        (row,) = told["boards"]
        assert row["status"]["state"] == "recording"
        assert not [path for path in row["copied"] if path.endswith(".mpy")], row["copied"]
        code, told, said = call(push, capsys, config, "--port", console.port)
        assert code == 0 and told["boards"][0]["copied"] == [], said
    on_flash = image.read_tree(tmp_path / "board" / "flash.bin")
    assert "/main.py" in on_flash and not [path for path in on_flash if path.endswith(".mpy")]
