"""`deploy.py plot DATASET`: one picture per session, every stream over time, losses marked where they happened."""

import argparse
import datetime
import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from host import mistakes
from host.dataset import Dataset, DatasetError, Session, Stream

BINS = 1600  # about one per pixel of a panel
LABELLED_GAPS = 8  # with more of them in a stream, the legend alone must do
COLOURS = ("#0b6e99", "#d1495b", "#3a9e5c", "#edae49", "#7d5ba6", "#5c6b73")
GAP_COLOURS = {
    "fifo": "#e07a1f", "ring": "#c2185b", "flash": "#6d4c41", "bus": "#7b1fa2", "sleep": "#607d8b", "power": "#212121",
    "retention": "#00838f", "missing": "#e53935",
}  # fmt: skip
UNIT_LABELS = {"1": "of full scale"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Draw every session of a data set as a PNG: each channel over time in its unit, losses shaded with their cause."
    )
    parser.add_argument(
        "dataset", type=Path, metavar="DATASET", help="a data set's folder, or one device's or session's in it"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.png", help="for a single session (default: <device>/<session>.png beside it)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    try:
        sessions = Dataset(args.dataset).sessions
        if args.out and len(sessions) > 1:
            what = f"{args.dataset} holds {len(sessions)} sessions, --out takes one: name its folder"
            return mistakes.report("plot", what, args.json)
        pictures = [
            session_png(session, args.out or session.path.parent / f"{session.name}.png") for session in sessions
        ]
    except (DatasetError, OSError) as error:
        return mistakes.report("plot", error, args.json)
    damaged = [f"{s.device}/{s.name}/{f.file}: {f.what}" for s in sessions for f in s.findings]
    if args.json:
        print(json.dumps({"pictures": [str(picture) for picture in pictures], "unreadable": damaged}, indent=2))
    else:
        print(*pictures, sep="\n")
    for line in damaged:
        print(f"plot: left out: {line}", file=sys.stderr)
    return 1 if damaged else 0


def session_png(session: Session, path: Path) -> Path:
    """Draws one session to `path` and returns it. Memory: one segment and the envelope, however long the session is."""
    panels = [(stream, unit) for stream in session.streams.values() for unit in dict.fromkeys(stream.units)]
    rows = max(1, len(panels))
    figure = Figure(figsize=(13, 1.3 + 2.45 * rows), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(session), fontsize=13, fontweight="bold", x=0.012, ha="left")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    drawn: dict[str, tuple] = {}
    for axis, (stream, unit) in zip(axes, panels, strict=False):
        first = stream.name not in drawn
        if first:
            drawn[stream.name] = _envelope(stream)
            axis.set_title(_subtitle(stream), fontsize=9.5, loc="left", color="#333333")
        _draw_channels(axis, session, stream, unit, *drawn[stream.name])
        _draw_losses(axis, session, stream, legend=first)
        _dress(axis, unit)
    axes[-1].set_xlabel("seconds since the start of the session", fontsize=9.5)
    figure.align_ylabels()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
    return path


def _envelope(stream: Stream) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(frame numbers of the bins' middles, lowest, highest count per bin and channel: NaN where nothing is stored)."""
    end = max((segment.info.end_frame for segment in stream.segments), default=0)
    start = stream.segments[0].info.first_frame if stream.segments else 0
    span = max(0, end - start)
    width = max(1, -(-span // BINS))
    count = -(-span // width)
    low = np.full((count, len(stream.channels)), np.nan, np.float32)
    high = low.copy()
    for first, rows in stream.pieces():
        bins = np.arange(first - start, first - start + len(rows)) // width
        keep = (bins >= 0) & (bins < count)  # a damaged sidecar may number its frames at will
        bins, rows = bins[keep], rows[keep]
        if len(bins):
            edges = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
            low[bins[edges]] = np.fmin(low[bins[edges]], np.minimum.reduceat(rows, edges))
            high[bins[edges]] = np.fmax(high[bins[edges]], np.maximum.reduceat(rows, edges))
    return start + np.arange(count) * width + (width - 1) / 2, low, high


def _draw_channels(axis, session, stream, unit, numbers, low, high) -> None:
    seconds = _seconds(session, stream, numbers)
    breaks = np.searchsorted(numbers, [gap.frame for gap in stream.gaps if gap.lost is None])
    seconds = np.insert(seconds, breaks, np.nan)
    columns = [column for column, its_unit in enumerate(stream.units) if its_unit == unit]
    thin = len(numbers) > 0 and numbers[-1] - numbers[0] + 1 > BINS  # each bin holds several frames
    for place, column in enumerate(columns):
        colour = COLOURS[place % len(COLOURS)]
        bottom, top = (np.insert(side[:, column], breaks, np.nan) * stream.scale[column] for side in (low, high))
        name = f"{stream.channels[column]} [{UNIT_LABELS.get(unit, unit)}]"
        if thin and len(columns) == 1:
            axis.fill_between(seconds, bottom, top, color=colour, linewidth=0.5, label=name)
            continue
        if thin:
            axis.fill_between(seconds, bottom, top, color=colour, alpha=0.45, linewidth=0)
        axis.plot(seconds, (bottom + top) / 2, color=colour, linewidth=0.9, label=name)


def _draw_losses(axis, session, stream, legend: bool) -> None:
    """A shaded span per loss, its cause and frame count beside it, with `legend` also the sums by cause."""
    losses = [(gap.frame, gap.lost, gap.cause) for gap in stream.gaps]
    losses += [(hole.first, hole.end - hole.first, "missing") for hole in stream.holes]
    sums: dict[str, list] = {}
    for frame, lost, cause in losses:
        edges = (frame - 1, frame) if lost is None else (frame - 0.5, frame + lost - 0.5)
        begin, end = _seconds(session, stream, np.array(edges))
        colour = GAP_COLOURS[cause]
        axis.axvspan(begin, end, facecolor=colour, edgecolor=colour, alpha=0.28, linewidth=1)
        if len(losses) <= LABELLED_GAPS:
            text = "?" if lost is None else f"{lost}"
            place = {"xycoords": ("data", "axes fraction"), "xytext": (0, -3), "textcoords": "offset points"}
            style = {"ha": "center", "va": "top", "rotation": 90, "fontsize": 7, "color": colour}
            axis.annotate(f"{cause} {text}", ((begin + end) / 2, 1), **place, **style)
        sums.setdefault(cause, []).append(lost)
    channels = axis.get_legend_handles_labels()[0]
    patches = [Patch(color=GAP_COLOURS[cause], alpha=0.4, label=_loss_label(cause, n)) for cause, n in sums.items()]
    axis.legend(
        handles=[*channels, *(patches if legend else [])],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        fontsize=8,
        frameon=False,
    )


def _loss_label(cause: str, lost: list) -> str:
    known = sum(n for n in lost if n is not None)
    if cause == "missing":
        return f"segments not here: {known} frames"
    return f"lost to {cause}: {'an unknown number of' if None in lost else known} frames"


def _dress(axis, unit: str) -> None:
    axis.set_ylabel(UNIT_LABELS.get(unit, unit), fontsize=9.5)
    axis.tick_params(labelsize=8.5, colors="#444444")
    axis.grid(color="#e4e7ea", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.margins(x=0.01)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _seconds(session: Session, stream: Stream, numbers: np.ndarray) -> np.ndarray:
    """Seconds since the start of the session, also where the board left no anchors to be sure of."""
    start = session.started_t_us if any(segment.info.anchors for segment in stream.segments) else 0
    return (stream.clock.guess_us(numbers) - start) / 1e6


def _title(session: Session) -> str:
    fix = session.clock_fix
    if fix is None:
        return f"{session.device}  {session.name}"
    started = datetime.datetime.fromtimestamp((fix.utc_us + session.started_t_us - fix.t_us) / 1e6, datetime.UTC)
    return f"{session.device}  {session.name}  started {started:%Y-%m-%d %H:%M:%S} UTC"


def _subtitle(stream: Stream) -> str:
    ledger, measured = stream.ledger, stream.rate_measured_hz
    rate = f"set to {stream.rate_hz:g} Hz" + (f", measured {measured:.6g} Hz" if measured else "")
    lost = sum(ledger["lost"].values())
    account = f"{ledger['stored']} of {ledger['expected']} frames stored, {lost} lost"
    return f"$\\bf{{{_math(stream.name)}}}$   {rate},   {account}"


def _math(text: str) -> str:
    """As literal text inside matplotlib's mathtext."""
    return "".join(f"\\{c}" if c in "_^${}%#&\\" else c for c in text)
