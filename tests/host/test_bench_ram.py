"""The board's RAM budget, and the table that says where it goes."""

import json

import pytest

from host import bench_ram
from tests.tools.micropython import HOW_TO_GET, WIDTHS

FREE = {"64-bit": 40 * 1024, "32-bit": 128 * 1024}  # of 384 KB at least, the virtual hardware's share included


@pytest.mark.parametrize("width", WIDTHS)
def test_the_example_leaves_heap_free(width):
    found = bench_ram.interpreters()
    if width not in found:
        pytest.skip(HOW_TO_GET[width])
    result = bench_ram.heap(json.loads(bench_ram.EXAMPLE.read_text()), found[width])
    rows = dict(result["table"])
    assert len(rows) == len(result["table"])
    used = sum(rows.values())
    assert result["heap"] - used > FREE[width], rows
    assert result["boot"] < result["heap"] - FREE[width], "checking the configuration needs more than recording"
    assert rows["forgotten after boot"] < -3000
    ring_bytes = 9 * (2048 + 384)  # the example's blocks, and a spare one per ring
    assert ring_bytes < rows["rings"] < 1.25 * ring_bytes
