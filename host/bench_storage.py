"""The benchmarks of storage: how fast segments are written, and how much they wear the flash.

`measure(script, *arguments)` runs a script on MicroPython and gives the JSON value that it prints (see host/bench.py).
"""

from rich.table import Table

from host.libs import cache_folder

FLASHES = {
    "nor": "NOR flash: 30 ms per 4 KiB erased, 0.7 ms per 256 B programmed (Winbond W25Q16BV)",
    "ram": "flash in RAM that costs no time: code alone",
}
PEERS = {
    "raw": "raw write of the same blocks",
    "raw_synced": "raw write, durable every 4096 bytes",
    "npyfile": "npyfile.Writer",
    "npy_per_frame": "each frame packed and written",
    "wave_per_sample": "wave, sample by sample",
}


def npyfile_folder() -> list[str]:
    """The folder of npyfile as an argument for a script, or nothing when `deploy.py libs` has not got it."""
    return [str(cache_folder())] if (cache_folder() / "npyfile.py").exists() else []


def speed(measure) -> list[dict]:
    """Frames per second of the segment writer against its peers, in the rows of host/bench.py."""
    rows = []
    for extension, rates in measure("bench/writing.py", *npyfile_folder()).items():
        ours = rates.pop("segments")
        for flash in FLASHES:
            for peer in (peer for peer in PEERS if peer in rates):
                rows.append({
                    "what": f"segment writer, .{extension}, {flash}",
                    "against": PEERS[peer],
                    "ratio": round(ours[flash] / rates[peer][flash], 3),
                    "frames_per_s": ours[flash],
                    "frames_per_s_against": rates[peer][flash],
                })  # fmt: skip
    return rows


def wear(measure) -> list[dict]:
    """What writing 256 KiB does to a LittleFS of 4 KiB blocks, per byte of payload."""
    return [
        {"how": how, "programmed": round(programmed, 3), "erased": round(erased, 3)}
        for how, (programmed, erased) in measure("storage/wear.py", *npyfile_folder())
    ]


def wear_table(rows: list[dict]) -> Table:
    """The wear for people to read."""
    table = Table(title="Wear of LittleFS, 256 KiB written, block size 4096", title_justify="left")
    table.add_column("how")
    for heading in ("programmed / payload", "erased / payload"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(row["how"], f"{row['programmed']:.3f}", f"{row['erased']:.3f}")
    return table
