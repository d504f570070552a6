"""Each driver's mip package holds the modules that it imports, no more and no less, and works alone."""

import ast
import json
import shutil
from functools import cache

import pytest

from config.chips import CHIPS
from host.planner.code import modules
from tests.tools.micropython import ROOT, run_micropython

WAKES = {
    "bmi160": "bmi160_wake",
    "bmi270": "bmi270_wake",
    "icm42688": "icm42688_wake",
    "lsm6ds3trc": "lsm6ds3trc_wake",
    "mpu6886": "mpu6886_wake",
    "lsm6dsox": "lsm6dsox_wake",
    "lsm6dso32": "lsm6dsox_wake",
    "ism330dhcx": "lsm6dsox_wake",
    "lis3dh": "lis3dh_wake",
    "lis2dh12": "lis3dh_wake",
}
DRIVERS = sorted(name for name, chip in CHIPS.items() if "fifo_frames" in chip)
PROGRAM = """
from drivers.{module} import {name}
class Nobody:
    def readfrom_mem_into(self, *_): raise OSError(19)
    writeto_mem = readfrom_mem_into
try:
    {name}(Nobody(), rate_hz=RATE)
except OSError as error:
    print(error)
"""


@cache
def imports(module: str) -> frozenset[str]:
    """All of our modules that it needs, itself included: wherever an import stands in the text, as it may be needed."""
    found = {module}
    for node in ast.walk(ast.parse((ROOT / "drivers" / f"{module}.py").read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"drivers.{alias.name}" for alias in node.names] if node.module == "drivers" else [node.module]
        for name in names:
            if name.startswith("drivers."):
                found |= imports(name.removeprefix("drivers."))
    return frozenset(found)


def package(module: str) -> list[list[str]]:
    return json.loads((ROOT / "mip" / module / "package.json").read_text())["urls"]


@pytest.mark.parametrize("module", DRIVERS)
def test_the_package_lists_what_the_driver_imports(module):
    """And what arms its motion detection, where it has one."""
    needs = imports(module) | (imports(WAKES[module]) if module in WAKES else set())
    assert package(module) == [[f"drivers/{n}.py", f"../../drivers/{n}.py"] for n in sorted(needs)]


def test_who_can_wake_a_board():
    assert {name for name in DRIVERS if CHIPS[name].get("motion")} == set(WAKES)


@pytest.mark.parametrize("module", WAKES)
def test_the_planner_counts_what_arms_it_and_nothing_of_another_chip(module):
    trigger = {"kind": "motion", "stream": "imu"}
    config = {"streams": {"imu": {"driver": module}}, "upload": None, "storage": {"card": None}}
    loaded = modules(config | {"schedule": {"trigger": trigger}})
    assert {name for name in loaded if name.endswith("_wake")} == {f"drivers.{WAKES[module]}"}
    assert not any(name.endswith("_wake") for name in modules(config | {"schedule": {}}))


def test_there_is_a_package_for_every_driver_and_no_other():
    assert {path.parent.name for path in ROOT.glob("mip/*/package.json")} == {*DRIVERS, "kernels", "wave"}


@pytest.mark.parametrize("module", DRIVERS)
def test_the_package_works_alone(micropython, tmp_path, module):
    """As far as to the bus, where nobody answers."""
    for target, source in package(module):
        (tmp_path / target).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "mip" / module / source, tmp_path / target)
    program = PROGRAM.format(module=module, name=module.upper())
    program = program.replace("RATE", "104" if module.startswith(("lsm", "ism")) else "100")
    where = {"MICROPYPATH": f"{tmp_path}:.frozen"}
    done = run_micropython(program, interpreter=micropython, env=where, cwd=tmp_path, check=True)
    address = CHIPS[module]["i2c_addresses"][0]
    assert f"address 0x{address:02X} register" in done.stdout
