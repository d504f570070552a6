"""The back-off: within its bounds, growing, repeatable, and short again after a success."""

from hypothesis import given
from hypothesis import strategies as st

from transport.backoff import Backoff


@given(st.floats(0.001, 100), st.floats(0.001, 1000), st.integers(0, 2**40), st.integers(1, 40))
def test_each_wait_lies_between_the_minimum_and_its_ceiling(low, high, seed, count):
    backoff = Backoff(low, high, seed)
    ceiling = floor = max(1, int(low * 1000))
    top = max(floor, int(high * 1000))
    for _ in range(count):
        ceiling = min(top, ceiling * 2)
        assert floor <= backoff.next_ms() <= ceiling


def test_full_jitter_uses_the_whole_range_and_the_ceiling_doubles():
    waits = [[Backoff(1, 16, seed) for seed in range(0, 2**30, 2**22)]]
    for ceiling_ms in (2000, 4000, 8000, 16000, 16000):
        row = [backoff.next_ms() for backoff in waits[0]]
        assert min(row) < 1000 + 0.1 * (ceiling_ms - 1000)
        assert max(row) > ceiling_ms - 0.1 * (ceiling_ms - 1000)
        assert abs(sum(row) / len(row) - (1000 + ceiling_ms) / 2) < 0.15 * ceiling_ms


@given(st.integers(0, 2**30))
def test_same_seed_same_waits_and_a_success_makes_them_short_again(seed):
    one, other = Backoff(1, 60, seed), Backoff(1, 60, seed)
    assert [one.next_ms() for _ in range(9)] == [other.next_ms() for _ in range(9)]
    one.reset()
    assert one.next_ms() <= 2000


def test_boards_with_different_seeds_do_not_come_back_in_step():
    assert len({Backoff(1, 60, seed).next_ms() for seed in range(100)}) > 50
