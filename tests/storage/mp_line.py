"""A sidecar's rate and residual: the line under its anchors."""

from storage.finish import line


def test_exact_anchors():
    rate_hz, residual_us = line([[k * 100, k * 1000000 + 7] for k in range(9)], [])
    assert abs(rate_hz - 100) < 1e-4 and residual_us == 0


def test_late_anchors_count_for_the_residual_only():
    anchors = [[k * 100, k * 1000000 + (60000 if k % 3 else 0)] for k in range(10)]
    rate_hz, residual_us = line(anchors, [])
    assert abs(rate_hz - 100) < 1e-4, rate_hz
    assert abs(residual_us - 60000 * 0.6**0.5) < 50, residual_us


def test_a_late_end_does_not_tilt_it():
    anchors = [[k * 100, k * 1000000] for k in range(10)]
    anchors[0][1] += 50000
    anchors[9][1] += 60000
    assert abs(line(anchors, [])[0] - 100) < 1e-4


def test_no_line_without_a_second_or_across_an_unknown_gap():
    anchors = [[0, 0], [90, 999999]]
    assert line(anchors, []) == line(anchors[:1], []) == line([], []) == (None, None)
    anchors = [[0, 0], [100, 1000000]]
    assert line(anchors, [[50, None, "bus"]]) == (None, None)
    assert line(anchors, [[50, 3, "bus"], [101, None, "bus"]])[0] is not None


def test_large_numbers():
    """A day of sound, on a clock that has run for years."""
    anchors = [[10**12 + k * 43200000, 10**14 + k * 2700000000] for k in range(32)]
    assert abs(line(anchors, [])[0] - 16000) < 0.01
