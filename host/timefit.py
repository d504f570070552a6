"""Frame number -> time on the board's clock, from the anchors that the board recorded.

An anchor is late, never early: a frame is noticed up to one frame period after it was made, an interrupt is served
late, once in a while by 60 ms. So the time line runs under the anchors and touches the tightest ones. In each window of
a minute it is the lower edge of the anchors' convex hull at the window's middle; between the middles it is straight.
That is done twice: the second time on what is left over when the drift, as the first time shows it, is taken out,
because a hull's edge does not follow a bend.

A gap of unknown length moves time, but not the frame numbers: each stretch between such gaps has a line of its own.
"""

from dataclasses import dataclass

import numpy as np

from host.records import Anchor

WINDOW_US = 60e6
WINDOW_ANCHORS = 8  # a window is as long as it takes to hold so many, if that is longer
SMOOTH = 4  # the drift is a parabola over so many windows' middles on either side


@dataclass(frozen=True)
class _Line:
    """Straight between the knots `(frames, times)`, and beyond the outer ones as between the last two."""

    frames: np.ndarray
    times: np.ndarray

    def t_us(self, frames: np.ndarray) -> np.ndarray:
        f, t = self.frames, self.times
        k = np.clip(np.searchsorted(f, frames) - 1, 0, len(f) - 2)
        return t[k] + (frames - f[k]) * ((t[k + 1] - t[k]) / (f[k + 1] - f[k]))


class FrameClock:
    """The time lines of one stream. `nominal_hz` is the rate where the anchors give none; `breaks`: the first frames
    behind gaps of unknown length.

    `rate_hz`: the rate over the longest stretch, None without two anchors. `residual_us`: the anchors' rms distance
    from the line, how late they are in the middle; None without any.
    """

    def __init__(self, anchors: list[Anchor], nominal_hz: float, breaks: list[int]):
        self._breaks = np.array(sorted(breaks), np.int64)
        points = np.array(anchors, np.float64).reshape(-1, 2)
        stretch = self._stretch(points[:, 0])
        groups = [_forward(points[stretch == k]) for k in range(len(self._breaks) + 1)]
        slopes = [(_span(group), _slope(group)) for group in groups]
        measured = max((s for s in slopes if s[1] is not None), default=None)
        us_per_frame = measured[1] if measured else 1e6 / nominal_hz
        self._lines = [_line(group, us_per_frame) for group in groups]
        late = [group[:, 1] - line.t_us(group[:, 0]) for group, line in zip(groups, self._lines, strict=True) if line]
        self.residual_us = float(np.sqrt(np.mean(np.concatenate(late) ** 2))) if late else None
        self.rate_hz = None
        if measured:
            longest = slopes.index(measured)
            first, last = self._lines[longest].t_us(groups[longest][[0, -1], 0])
            if last > first:
                us_per_frame = float(last - first) / measured[0]
            self.rate_hz = 1e6 / us_per_frame
        self._us_per_frame = us_per_frame

    def t_us(self, frames: np.ndarray) -> np.ndarray:
        """float64, microseconds; NaN in a stretch without any anchor."""
        return self._times(frames, range(len(self._lines)))

    def guess_us(self, frames: np.ndarray) -> np.ndarray:
        """As `t_us`, but a stretch without anchors goes on where the nearest known one before (or behind) leads to.

        Frame 0 is at 0 when there is no anchor at all.
        """
        known = [k for k, line in enumerate(self._lines) if line]
        if not known:
            return self._us_per_frame * frames
        nearest = [max((k for k in known if k <= wanted), default=known[0]) for wanted in range(len(self._lines))]
        return self._times(frames, nearest)

    def _times(self, frames, which) -> np.ndarray:
        frames = np.asarray(frames)
        stretch = self._stretch(frames)
        times = np.full(frames.shape, np.nan)
        for k in np.unique(stretch):
            line = self._lines[which[k]]
            if line:
                times[stretch == k] = line.t_us(frames[stretch == k])
        return times

    def _stretch(self, frames: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._breaks, frames, side="right")


def _forward(points: np.ndarray) -> np.ndarray:
    """The anchors of a stretch by frame, the earliest of each."""
    points = points[np.lexsort(points.T[::-1])]
    return points[np.diff(points[:, 0], prepend=-np.inf) > 0]


def _span(points: np.ndarray) -> float:
    return float(points[-1, 0] - points[0, 0]) if len(points) else 0.0


def _slope(points: np.ndarray) -> float | None:
    """Microseconds per frame under a whole stretch; None when the anchors do not give it."""
    if len(points) < 2:
        return None
    _, slope = _lower(points[:, 0], points[:, 1], points[[0, -1], 0].mean())
    return slope if slope > 0 else None


def _lower(x: np.ndarray, y: np.ndarray, at: float) -> tuple[float, float]:
    """The hull's lower edge over `at`: (height there, slope). Two points at least, x growing, `at` between the outer
    ones.
    """
    left = min(int(np.searchsorted(x, at, side="right")), len(x) - 1)  # points on the left of `at`
    p, q = 0, len(x) - 1
    while True:
        slope = (y[q] - y[p]) / (x[q] - x[p])
        depth = y - y[p] - slope * (x - x[p])
        depth[[p, q]] = 0
        k = int(np.argmin(depth))
        if depth[k] > -1e-3:
            return y[p] + slope * (at - x[p]), slope
        p, q = (k, q) if k < left else (p, k)


def _line(points: np.ndarray, us_per_frame: float) -> _Line | None:
    """The time line under the anchors of a stretch; None without any."""
    if not len(points):
        return None
    first, start = points[0]
    if len(points) < 2 or points[-1, 1] <= start:
        return _Line(np.array([first, first + 1]), np.array([start, start + us_per_frame]))
    x = (points[:, 0] - first) * us_per_frame  # a stretch's own even time
    y = points[:, 1] - start - x
    knots = _knots(x)
    drift = _smooth(knots, _envelope(x, y, knots))
    heights = drift + _envelope(x, y - np.interp(x, knots, drift), knots)
    return _Line(first + knots / us_per_frame, start + knots + heights)


def _knots(x: np.ndarray) -> np.ndarray:
    """The ends, and the middles of windows that overlap by half."""
    span = x[-1]
    window = min(span, max(WINDOW_US, WINDOW_ANCHORS * span / (len(x) - 1)))
    return np.array([0.0, *np.linspace(window / 2, span - window / 2, max(1, round(2 * span / window) - 1)), span])


def _envelope(x: np.ndarray, y: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Height of the lower edge of the anchors at each knot; to the ends the outer windows' lines are prolonged."""
    half = knots[1]
    lines = []
    for middle in knots[1:-1]:
        first, end = np.searchsorted(x, [middle - half, middle + half])
        behind = np.searchsorted(x, middle, side="right")
        side = WINDOW_ANCHORS // 2  # so many on either side, across whatever is missing
        window = slice(max(0, min(first, behind - side)), max(end, behind + side))
        lines.append(_lower(x[window], y[window], middle))
    heights, slopes = np.array(lines).T
    return np.array([heights[0] - slopes[0] * half, *heights, heights[-1] + slopes[-1] * half])


def _smooth(knots: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Each height as a parabola through its neighbours gives it."""
    width = min(2 * SMOOTH + 1, len(knots))
    smooth = []
    for i, knot in enumerate(knots):
        first = min(max(0, i - SMOOTH), len(knots) - width)
        near = slice(first, first + width)
        x = (knots[near] - knot) / WINDOW_US
        powers = np.stack([x**0, x, x * x], axis=1)
        smooth.append(np.linalg.lstsq(powers, heights[near], rcond=None)[0][0])
    return np.array(smooth)
