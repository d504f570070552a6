"""Code in the board's read-only partition is not copied into its file system."""

import pytest

from config.board_model import board
from host import board_code, romfs
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "required: BOARD, FILE"), (["esp32"], "required: FILE"), (["toaster", "x"], "'toaster' (choose from")],
)
def test_romfs_called_wrongly(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        romfs.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_romfs_into_what_is_no_file(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "missing" / "x.romfs"):
        assert romfs.main(["pico_w", str(path)]) == 2
        assert capsys.readouterr().err.startswith(f"romfs: {path}: ")


def test_the_code_is_made_once_for_all_who_ask(monkeypatch):
    """The planner, push and the image: one compilation per architecture, one shrinking at all."""
    from host.planner import code

    calls = []
    for name in ("shrink", "compile_shrunk"):
        work = getattr(board_code, name)
        monkeypatch.setattr(board_code, name, lambda *a, work=work, name=name: calls.append(name) or work(*a))
    board_code._made.cache_clear()
    board_code._shrunk.cache_clear()
    sizes = code.compiled("armv6m")
    wanted = plan.wanted_files({"upload": None}, None, "armv6m")
    image("armv6m")
    code.compiled(None)
    assert sorted(calls) == ["compile_shrunk", "compile_shrunk", "shrink"]
    assert {name: len(wanted[f"/{name.replace('.', '/')}.mpy"]) for name in sizes} == sizes


def test_native_code_stays_away_from_a_port_without_it():
    with_it, without = board_code.board_code("armv6m").files, board_code.board_code(None).files
    left = {name for name in with_it if board_code.NATIVE in name}
    assert left
    assert set(without) == set(with_it) - left
    assert {name.replace(board_code.NATIVE, "_plain") for name in left} <= set(without)
