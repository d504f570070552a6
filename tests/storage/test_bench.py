"""What `deploy.py bench` tells of storage, against the limits that were promised."""

import io

import pytest
from rich.console import Console

from host import bench, bench_storage
from tests.tools.micropython import HOW_TO_GET, interpreter


@pytest.fixture(autouse=True)
def micropython():
    if not interpreter("64-bit"):
        pytest.skip(HOW_TO_GET["64-bit"])


def test_writing_is_as_fast_as_a_raw_write_where_flash_takes_its_time():
    rows = bench_storage.speed(bench._measure)
    ratios = {(row["what"], row["against"]): row["ratio"] for row in rows}
    raw = "raw write of the same blocks"
    for extension, per_sample in (("npy", "each frame packed and written"), ("wav", "wave, sample by sample")):
        ours = f"segment writer, .{extension}, "
        assert 0.9 <= ratios[ours + "nor", raw] < 1, ratios
        assert 0.1 < ratios[ours + "ram", raw] < 1 < ratios[ours + "ram", per_sample], ratios


def test_wear_stays_within_its_limits_and_the_table_shows_it():
    rows = bench_storage.wear(bench._measure)
    ratios = {row["how"]: (row["programmed"], row["erased"]) for row in rows}
    for how, programmed, erased in (
        ("segment writer, the data file", 1.02, 1.01),
        ("segment writer, sidecar, journal and directory too", 1.06, 1.06),
        ("segment writer, cut short at the half", 2.1, 2.1),
    ):
        assert 1 <= ratios[how][0] <= programmed and 1 <= ratios[how][1] <= erased, ratios
    assert min(ratios["flush per 512 bytes"]) > 5  # the meter sees a bad writer
    assert ("npyfile.Writer" in ratios) == bool(bench_storage.npyfile_folder())
    text = io.StringIO()
    Console(file=text, width=100).print(bench_storage.wear_table(rows))
    assert text.getvalue().count("│ ") >= 3 * len(rows)
