"""The benchmark of the kernels: input bytes per microsecond, against the usual ways to do the same.

`measure(script, *arguments)` runs a script on MicroPython and gives the JSON value that it prints (see host/bench.py).
"""

from rich.table import Table


def speed(measure) -> list[dict]:
    """A row per kernel: its rate, and how many times that of the usual way, of `array('h', buf)`, of a memory copy."""
    found = measure("bench/kernels.py")
    return [
        {
            "kernel": rates["name"],
            "bytes_per_us": round(rates["native"], 1),
            "plain_bytes_per_us": round(rates["plain"], 2),
            "usual": rates["how"],
            "times_usual": round(rates["native"] / rates["usual"], 2),
            "times_array_h": round(rates["native"] / found["array"], 3),
            "times_copy": round(rates["native"] / found["copy"], 3),
        }
        for rates in found["kernels"]
    ]


def table(rows: list[dict]) -> Table:
    """The rows for people to read."""
    shown = Table(title="Kernels, 4200 bytes of input", title_justify="left")
    shown.add_column("kernel")
    for heading in ("bytes/us", "plain twin", "x usual way", "x array('h', buf)", "x mv[:] = src"):
        shown.add_column(heading, justify="right")
    shown.add_column("usual way")
    for row in rows:
        numbers = ("bytes_per_us", "plain_bytes_per_us", "times_usual", "times_array_h", "times_copy")
        shown.add_row(row["kernel"], *(f"{row[key]:g}" for key in numbers), row["usual"])
    return shown
