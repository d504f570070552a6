"""The segment writer wears the flash no faster than it must."""

from wear import FRAMES, naive, segments, short

HEAP = "16M"


def test_full_segment():
    (programmed, erased), (all_programmed, all_erased) = segments(1)
    assert 1 < programmed <= 1.02 and 1 < erased <= 1.01, (programmed, erased)
    assert all_programmed <= 1.06 and all_erased <= 1.06, (all_programmed, all_erased)


def test_many_segments_directories_included():
    (programmed, erased), (all_programmed, all_erased) = segments(12)
    assert programmed <= 1.02 and erased <= 1.01, (programmed, erased)
    assert all_programmed <= 1.06 and all_erased <= 1.06, (all_programmed, all_erased)


def test_segment_cut_short_is_copied_once():
    programmed, erased = short(FRAMES // 2)
    assert 1.9 < programmed <= 2.1 and 1.9 < erased <= 2.1, (programmed, erased)


def test_the_meter_sees_bad_writers():
    """Otherwise the numbers above would mean nothing."""
    assert naive(4096, False, False)[1] < 1.05
    assert naive(4096, False, True)[0] > 1.9  # the whole file is copied
    assert naive(4096, True, False)[1] > 1.8  # flushed beside the block boundary
    assert naive(512, True, False)[1] > 6
