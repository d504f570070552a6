"""docs/drivers.md says what the drivers do: its table against the facts, its examples against the rules."""

import json
import re

import pytest

from config.chips import CHIPS
from config.loader import check
from tests.tools.micropython import ROOT

TEXT = (ROOT / "docs/drivers.md").read_text()
IMUS = {name: chip for name, chip in CHIPS.items() if "fifo_frames" in chip}
ROWS = {
    name: [cell.strip() for cell in line.strip("|").split("|")[1:]]
    for line in TEXT.splitlines()
    if line.startswith("| `")
    for name in re.findall("`([a-z0-9]+)`", line.split("|")[1])
}


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", cell)]


def test_every_chip_has_its_row():
    assert ROWS.keys() == IMUS.keys()


@pytest.mark.parametrize("name", IMUS)
def test_row(name):
    chip = IMUS[name]
    address, spi, rates, accel, gyro, fifo, _ = ROWS[name]
    assert [int(word, 16) for word in address.split()] == list(chip["i2c_addresses"])
    assert spi == ("no" if chip["spi_max_hz"] is None else f"{chip['spi_max_hz'] // 1_000_000}")
    assert numbers(accel) == list(chip["accel_ranges_g"])
    assert numbers(gyro) == list(chip.get("gyro_ranges_dps", ()))
    assert numbers(fifo) == list(chip["fifo_frames"])
    if rates == "as LSM6DSOX":
        rates = ROWS["lsm6dsox"][2]
    usual, *others = rates.split(";")
    if "divided_hz" in chip:
        assert usual == f"{chip['divided_hz']} / n for n = 1 to 256"
    else:
        bits = [number for other in others if "8 bits" in other for number in numbers(other)[1:]]
        assert numbers(usual) + bits == list(chip["rates_hz"])
    for sensor, key in (("accelerometer", "accel_only_rates_hz"), ("gyroscope", "gyro_only_rates_hz")):
        told = [number for other in others if sensor in other for number in numbers(other)]
        assert told == list(chip.get(key, ()))


def test_the_configuration_is_a_right_one():
    (config,) = re.findall(r"```json\n(.*?)```", TEXT, re.S)
    assert check(config.encode())[1] == []
    assert json.loads(config)["streams"].keys() == {"wrist", "shake"}


def test_the_command_makes_a_binary_of_bosch_s_array(tmp_path, monkeypatch):
    (command,) = re.findall(r'python3 -c "(.*)"', TEXT)
    array = ", ".join(f"0x{n % 256:02x}" for n in range(8192))
    (tmp_path / "bmi270.c").write_text(
        f"int a[] = {{0x01}};\nconst uint8_t bmi270_config_file[] = {{\n{array}\n}};\n{{}}"
    )
    monkeypatch.chdir(tmp_path)
    exec(command, {})
    assert (tmp_path / "bmi270.bin").read_bytes() == bytes(range(256)) * 32


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:drivers|tests|host|config|app|mip)/[\w/]+\.\w+)`", TEXT)))
)
def test_files_that_are_named_exist(path):
    assert (ROOT / path).is_file()
