"""Frame number -> time on the board's clock, from the anchors that the board recorded.

One straight line per stretch between gaps of unknown length: such a gap moves time, but not the frame numbers. Good
to the jitter of the anchors and the drift of the two clocks against each other over a session.
"""

import numpy as np

from host.records import Anchor


class FrameClock:
    """Least-squares lines through `anchors`; `nominal_hz` is the slope where one anchor is all there is. `breaks`:
    see above.
    """

    def __init__(self, anchors: list[Anchor], nominal_hz: float, breaks: list[int]):
        self._breaks = np.array(sorted(breaks), np.int64)
        points = np.array(anchors, np.float64).reshape(-1, 2)
        stretch = self._stretch(points[:, 0])
        groups = [points[stretch == k] for k in range(len(self._breaks) + 1)]
        lines = [(_slope(group), group) for group in groups]
        measured = [(np.ptp(group[:, 0]), slope) for slope, group in lines if slope is not None]
        us_per_frame = max(measured)[1] if measured else 1e6 / nominal_hz
        self.rate_hz = 1e6 / us_per_frame if measured else None
        slopes = [us_per_frame if slope is None else slope for slope, _ in lines]
        self._slopes = np.array(slopes)
        self._offsets = np.array(
            [np.mean(g[:, 1] - k * g[:, 0]) if len(g) else np.nan for k, g in zip(slopes, groups, strict=True)]
        )

    def t_us(self, frames: np.ndarray) -> np.ndarray:
        """float64, microseconds; NaN in a stretch without any anchor."""
        stretch = self._stretch(frames)
        return self._offsets[stretch] + self._slopes[stretch] * frames

    def guess_us(self, frames: np.ndarray) -> np.ndarray:
        """As `t_us`, but a stretch without anchors goes on where the nearest known one before (or behind) leads to.

        Frame 0 is at 0 when there is no anchor at all.
        """
        known = np.flatnonzero(~np.isnan(self._offsets))
        if not len(known):
            return self._slopes[0] * frames
        stretch = known[np.maximum(np.searchsorted(known, self._stretch(frames), side="right") - 1, 0)]
        return self._offsets[stretch] + self._slopes[stretch] * frames

    def _stretch(self, frames: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._breaks, frames, side="right")


def _slope(points: np.ndarray) -> float | None:
    """Microseconds per frame; None when the points do not give one (fewer than two, or time standing still)."""
    if len(points) < 2 or np.ptp(points[:, 0]) == 0:
        return None
    frames, times = (points - points.mean(axis=0)).T
    slope = float(frames @ times / (frames @ frames))
    return slope if slope > 0 else None
