"""The benchmark of the time base: how well board and laptop know when a frame was made.

`measure(script, *arguments)` runs a script on MicroPython and gives the JSON value that it prints (see host/bench.py).
"""

import numpy as np
from rich.table import Table

from host.records import Anchor
from host.timefit import FrameClock

WAYS = {"irq": "watermark interrupt", "poll": "polls that seek the frames", "blind": "polls at any time"}
DRIFTS = {"ramp": "300 ppm steadily", "swing": "300 ppm up and down"}


def accuracy(measure) -> list[dict]:
    """A row per way to notice frames and kind of drift, in us rms after a constant offset."""
    return [chain(measure, way, drift, seed=7) for way in WAYS for drift in DRIFTS]


def chain(measure, way: str, drift: str, seed: int, minutes: int = 30) -> dict:
    """One recording through sampler, ring, recorder and segment writer; see tests/bench/time_chain.py."""
    run = measure("bench/time_chain.py", way, drift, str(seed), str(minutes))
    anchors = [Anchor(*anchor) for sidecar in run["sidecars"] for anchor in sidecar["anchors"]]
    frames, truth = np.array(run["truth"]).T
    clock = FrameClock(anchors, run["rate_hz"], [])
    return {
        "anchors": way,
        "drift": drift,
        "board_us": round(run["board_us"], 1),
        "laptop_us": round(float((clock.t_us(frames) - truth).std()), 1),
        "anchor_late_us": round(float(np.median(np.concatenate(run["late"])))),
        "rate_ppm": round(float(max(_rate_errors(run["sidecars"], frames, truth))), 1),
        "lost": run["lost"],
    }


def _rate_errors(sidecars: list[dict], frames: np.ndarray, truth: np.ndarray):
    """How far the `rate_measured_hz` of each segment longer than 20 s is from the truth, in ppm."""
    for sidecar in sidecars:
        inside = (frames >= sidecar["first_frame"]) & (frames < sidecar["end_frame"])
        if np.ptp(truth[inside]) > 20e6:
            rate_hz = np.ptp(frames[inside]) * 1e6 / np.ptp(truth[inside])
            yield abs(sidecar["rate_measured_hz"] / rate_hz - 1) * 1e6


def table(rows: list[dict]) -> Table:
    """The rows for people to read."""
    title = "Time: 30 minutes at 104 Hz, rate up to 3 % off, latencies with 60 ms outliers; us rms after an offset"
    shown = Table(title=title, title_justify="left")
    for heading in ("anchors from", "drift of the sensor"):
        shown.add_column(heading)
    for heading in ("on board", "on the laptop", "anchors late (median)", "rate off, ppm (worst segment)"):
        shown.add_column(heading, justify="right")
    for row in rows:
        numbers = (f"{row[key]:g}" for key in ("board_us", "laptop_us", "anchor_late_us", "rate_ppm"))
        shown.add_row(WAYS[row["anchors"]], DRIFTS[row["drift"]], *numbers)
    return shown
