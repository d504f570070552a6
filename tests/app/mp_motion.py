"""What a board that motion wakes decides, as pure functions, under random lives with resets and clocks that are set."""

from app.motion import LONGEST_S, NOTHING, WITHIN, account, is_due, sleep_until

HEAP = "4M"
FOR_EVER = 1 << 40


class Random:
    """A linear congruential generator: every MicroPython has it, with the same numbers."""

    def __init__(self, seed):
        self._state = seed

    def between(self, low, high):
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        return low + (self._state >> 33) % (high - low)

    def share(self):
        return self.between(0, 1 << 20) / (1 << 20)


def live(chance, share, piece_s, events, forget=False, steps=False):
    """Somebody moves the board `events` times. -> [(begin, why)] recorded. `forget`: the power goes now and then, and
    with it what was not kept: the recording that ran; `steps`: the clock is set now and then.
    """
    now, owed, found = 1000, NOTHING, []
    for _ in range(events):
        moves = now + chance.between(1, 40 * piece_s)
        while True:
            at = sleep_until(now, FOR_EVER, owed)
            assert now - 1 <= at <= now + LONGEST_S or at <= now
            if is_due(now, owed, piece_s):
                why = "random"
            elif at <= moves and at > now:
                now = at
                assert is_due(now, owed, piece_s) or at == now, "it woke for something"
                if not is_due(now, owed, piece_s):
                    continue
                why = "random"
            else:
                now = max(now, moves)
                why = "motion"
            found.append((now, why))
            now += piece_s
            if not (forget and chance.between(0, 10) == 0):
                owed = account(owed, why, now, share, piece_s, chance.share())
            if steps and chance.between(0, 5) == 0:
                now += chance.between(-100, 100)
                moves = max(moves, now)
            if why == "motion":
                break
    return found, owed


def count(found, why):
    return len([1 for _, was in found if was == why])


def test_the_share_is_what_was_asked_for():
    for seed in range(30):
        chance = Random(seed)
        share = chance.between(0, 91) / 100
        events = 60
        found, owed = live(chance, share, chance.between(1, 60), events)
        assert count(found, "motion") == events
        wanted = events * share / (1 - share)
        assert -1 <= owed["credit"] and abs(count(found, "random") + owed["credit"] - wanted) < 0.01, (seed, share)


def test_nothing_is_random_without_a_share():
    found, owed = live(Random(1), 0, 5, 50)
    assert count(found, "random") == 0 and owed == {"credit": 0, "at": None}


def test_a_piece_begins_soon_after_an_event_and_not_at_once():
    for seed in range(40):
        chance = Random(seed)
        piece_s = chance.between(1, 100)
        owed = account(NOTHING, "motion", 5000, 0.5, piece_s, chance.share())
        assert 5000 < owed["at"] <= 5000 + 1 + WITHIN * piece_s
        assert not is_due(5000, owed, piece_s) and is_due(owed["at"], owed, piece_s)
        again = account(owed, "random", owed["at"] + piece_s, 0.5, piece_s, chance.share())
        assert again == {"credit": 0, "at": None}


def test_motion_in_a_random_piece_makes_it_an_event_and_another_one_is_owed():
    owed = account(NOTHING, "motion", 100, 0.5, 5, 0.1)
    owed = account(owed, "motion", owed["at"] + 9, 0.5, 5, 0.1)
    assert owed["credit"] == 2 and owed["at"] is not None


def test_a_recording_that_came_to_nothing_changes_nothing_but_the_time():
    owed = account(NOTHING, "motion", 100, 0.5, 5, 0.1)
    later = account(owed, None, owed["at"], 0.5, 5, 0.9)
    assert later["credit"] == owed["credit"] and later["at"] > owed["at"]
    assert account(owed, None, owed["at"] - 2, 0.5, 5, 0.9) == owed


def test_a_clock_that_is_set_puts_a_piece_off_by_no_more_than_its_time():
    owed = account(NOTHING, "motion", 100000, 0.5, 5, 0.5)
    for now in range(99000, 101000, 7):
        late = owed["at"] - now
        assert is_due(now, owed, 5) == (late <= 0 or late > 1 + WITHIN * 5)


def test_power_cuts_and_clocks_lose_a_piece_at_most_each():
    for seed in range(20):
        chance = Random(seed)
        found, owed = live(chance, 0.5, 10, 100, forget=True, steps=True)
        assert count(found, "motion") == 100
        assert 75 < count(found, "random") < 125, (seed, count(found, "random"))


def test_it_looks_at_least_once_a_day_and_at_the_end_of_its_slot():
    assert sleep_until(50, FOR_EVER, NOTHING) == 50 + LONGEST_S
    assert sleep_until(50, 80, NOTHING) == 80
    assert sleep_until(50, 80, {"credit": 1, "at": 60}) == 60
