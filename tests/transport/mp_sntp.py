"""SNTP against a time server that is told what to do: the claimed uncertainty holds, and what is no time is no time."""

import asyncio
import errno
import random
import socket
from time import ticks_diff, ticks_ms

from quiet import on_a_quiet_machine, without_processor_us

from app.clock import Clock
from app.fixes import ClockFixes
from transport import sntp

UNIX = 2208988800  # s from 1900 to 1970
NOW = 1795000000123456  # us since 1970: 2026-11


def stamp(utc_us):
    """A time as an NTP time stamp, rounded down."""
    seconds, us = divmod(utc_us, 1000000)
    return ((seconds + UNIX) & 0xFFFFFFFF).to_bytes(4, "big") + ((us << 32) // 1000000).to_bytes(4, "big")


def reply(nonce, received, sent, first=0x24, stratum=2, kiss=bytes(4), precision=0xEC, delay=0, dispersion=0):
    #        LI, version, mode | stratum | poll | precision
    return (
        bytes((first, stratum, 6, precision))
        + delay.to_bytes(4, "big")
        + dispersion.to_bytes(4, "big")
        + kiss
        + stamp(received)  # reference: nobody reads it
        + nonce
        + stamp(received)
        + stamp(sent)
    )


class Spool:
    def __init__(self):
        self.clock_fixes = []


class Fixes(ClockFixes):
    """Without an RTC to set."""

    def __init__(self, clock):
        super().__init__(clock, Spool(), print)

    def _set_rtc(self, utc_us):
        pass

    @property
    def found(self):
        return self._spool.clock_fixes


def refusal(data, nonce=bytes(8)):
    try:
        found = sntp.parse(data, nonce)
    except sntp.SntpError as error:
        return str(error), error.kiss
    raise AssertionError(found)


def test_times_of_both_eras_to_the_microsecond():
    nonce = b"\x00\x01\xff\xfe2345"
    rollover = 2085978496000000  # 2036-02-07 06:28:16 UTC
    for utc in (NOW, 1735689600000000, rollover - 1, rollover + 1, 3500000000999999):
        received, sent, error = sntp.parse(reply(nonce, utc, utc + 7), nonce)
        assert -1 <= received - utc <= 0 and -1 <= sent - utc - 7 <= 0 and 2 <= error < 5, (utc, received, sent, error)


def test_what_the_server_says_of_itself_counts():
    nonce = b"abcdefgh"
    error = sntp.parse(reply(nonce, NOW, NOW, delay=65536, dispersion=32768, precision=0xF6), nonce)[2]
    assert 1000000 + 976 <= error <= 1000000 + 980, error  # half of 1 s, 0.5 s, 2**-10 s
    assert sntp.parse(reply(nonce, NOW, NOW, delay=0xFFFFFFFF, dispersion=0xFFFFFFFF), nonce)[2] > 98000000000


def test_what_is_no_time_is_refused():
    nonce = bytes(8)
    assert "too short" in refusal(reply(nonce, NOW, NOW)[:47])[0]
    assert "no time server" in refusal(reply(nonce, NOW, NOW, first=0x23))[0]  # a client
    assert "no time server" in refusal(reply(nonce, NOW, NOW, first=0x14))[0]  # version 2
    assert "does not know" in refusal(reply(nonce, NOW, NOW, first=0xE4))[0]  # leap alarm
    assert "does not know" in refusal(reply(nonce, NOW, NOW, stratum=16))[0]
    assert "no sense" in refusal(reply(nonce, NOW, NOW)[:40] + bytes(8))[0]
    assert "no sense" in refusal(reply(nonce, NOW, NOW, precision=3))[0]
    assert refusal(reply(nonce, NOW, NOW, stratum=0, kiss=b"RATE"))[1] == b"RATE"
    assert "(X??\x7e)" in refusal(reply(nonce, NOW, NOW, stratum=0, kiss=b"X\n\x80~"))[0]


def test_an_answer_to_another_request_is_none_and_no_kiss_either():
    assert sntp.parse(reply(b"12345678", NOW, NOW), b"12345679") is None
    assert sntp.parse(reply(b"12345678", NOW, NOW, stratum=0, kiss=b"DENY"), b"12345679") is None


def test_the_truth_is_within_the_uncertainty_whatever_the_ways_take():
    random.seed(4)
    wide = 0
    for _ in range(500):
        clock = Clock()
        fixes = Fixes(clock)
        offset = NOW - random.randrange(1000000) * 1000000  # UTC less the board's clock
        t1 = random.randrange(1 << 20) * random.randrange(1 << 20)
        there, inside, back = [random.randrange(1 << random.randrange(1, 22)) for _ in range(3)]
        off, claimed = 0, random.randrange(50000)
        if claimed:
            off = random.randrange(2 * claimed + 1) - claimed
        ppm = random.randrange(180) - 90  # of our clock
        t4 = t1 + (there + inside + back) * (1000000 + ppm) // 1000000
        t2 = t1 + there + offset + off
        assert fixes.offer(t1, t2, t2 + inside, t4, claimed, "x")
        t, utc, uncertainty, _ = fixes.found[0]
        assert abs(utc - (t + offset)) <= uncertainty, (there, inside, back, off, claimed, fixes.found)
        # no wider than it must be: half of both ways, what the server says, and the crystal
        assert uncertainty <= (there + back) // 2 + claimed + (there + inside + back) // 5000 + 5
        wide += uncertainty > 1000000
    assert wide < 500


def test_nonsense_is_no_fix():
    fixes = Fixes(Clock())
    assert not fixes.offer(0, NOW, NOW - 1, 5000, 0, "x")  # answered before it was asked
    assert not fixes.offer(0, NOW, NOW + 6000, 5000, 0, "x")  # kept the question longer than we waited
    assert not fixes.offer(0, 946684800000000, 946684800000000, 5000, 0, "x")  # a server that was never set
    assert not fixes.offer(5000, NOW, NOW, 0, 0, "x")
    assert fixes.found == []


def test_a_fix_is_kept_when_it_says_more_than_the_last_one_does_by_now():
    fixes = Fixes(Clock())

    def offer(t, half, source="x"):
        return fixes.offer(t, NOW + t + half, NOW + t + half, t + 2 * half, 0, source)

    assert offer(0, 5000)
    assert not offer(1000000, 4000)  # hardly better, and at once
    assert offer(2000000, 2000)
    assert offer(3000000, 9000, "y")  # another source
    assert offer(70000000, 5000)  # by now the crystal may be off by 6.8 ms
    assert not offer(80000000, 90000)
    assert [fix[2] < 10000 for fix in fixes.found] == [True] * 4
    for k in range(9):
        assert offer(100000000 * (k + 2), 100)
    assert len(fixes.found) == 6 and fixes.found[-1][0] > 1000000000


# --- over UDP


def server():
    """-> a UDP socket on a free port, and the port."""
    for port in range(20011, 60000, 13):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            sock.setblocking(False)
            return sock, port
        except OSError:
            sock.close()
    raise OSError("no free port")


def ask(plan, *, samples=1, rounds=1, offset=NOW):
    """One round against a server that does plan[k] for request k. A step is (ms there, ms back, {what is wrong}).

    -> (fixes, the Sntp, whether it helped, requests, the longest time that another task had to wait)
    """
    sock, sntp.PORT = server()
    sntp.SAMPLES, sntp.SPACING_MS, sntp.ANSWER_MS = samples, 1, 300
    clock = Clock()
    fixes = Fixes(clock)
    asked = []
    longest = [0]

    async def answer(data, address, there, back, wrong):
        nonce = data[40:48]
        await asyncio.sleep_ms(there)
        received = clock.t_us() + offset
        if "replay" in wrong:
            for old in asked[:-1]:
                sock.sendto(reply(old[40:48], received - 90000000, received - 90000000), address)
        if wrong.get("nonce"):
            nonce = wrong["nonce"]
        keys = {key: value for key, value in wrong.items() if key not in ("replay", "nonce", "silent", "twice")}
        await asyncio.sleep_ms(back)
        if "silent" not in wrong:
            for _ in range(2 if "twice" in wrong else 1):
                sock.sendto(reply(nonce, received, received, **keys), address)

    async def serve():
        while True:
            try:
                data, address = sock.recvfrom(100)
            except OSError as error:
                assert error.errno == errno.EAGAIN, error
                await asyncio.sleep_ms(1)
                continue
            assert len(data) == 48 and data[:1] == b"\x23" and data[1:40] == bytes(39)
            asked.append(data)
            step = plan[min(len(asked), len(plan)) - 1]
            asyncio.create_task(answer(data, address, *step))

    async def tick():
        last, waited = ticks_ms(), without_processor_us()
        while True:
            await asyncio.sleep_ms(1)
            longest[0] = max(longest[0], ticks_diff(ticks_ms(), last) - (without_processor_us() - waited) // 1000)
            last, waited = ticks_ms(), without_processor_us()

    async def main():
        tasks = [asyncio.create_task(serve()), asyncio.create_task(tick())]
        asker = sntp.Sntp(["127.0.0.1"], fixes, backoff=None)
        helped = False
        for _ in range(rounds):
            helped = await asker.ask_all()
        for task in tasks:
            task.cancel()
        return asker, helped

    try:
        asker, helped = asyncio.run(main())
    finally:
        sock.close()
        sntp.PORT = 123
    assert longest[0] < 250, longest
    return fixes.found, asker, helped, asked


def true(fix, offset=NOW):
    return abs(fix[1] - (fix[0] + offset)) <= fix[2]


@on_a_quiet_machine
def test_ways_of_different_length():
    for there, back in ((0, 0), (40, 0), (0, 40), (30, 10)):
        found, asker, helped, _ = ask([(there, back, {})])
        assert helped and len(found) == 1 and true(found[0]), (there, back, found)
        assert -2000 < found[0][2] - 500 * (there + back) < 60000
        assert found[0][3] == "sntp:127.0.0.1" and asker.status()["answers"] == 1


def test_after_the_rollover_of_2036():
    offset = 2085978496000000 + 5
    found = ask([(0, 0, {})], offset=offset)[0]
    assert true(found[0], offset)


@on_a_quiet_machine
def test_the_shortest_of_several_round_trips_counts():
    found, _, _, asked = ask([(30, 30, {}), (0, 1, {}), (0, 40, {}), (50, 0, {})], samples=4)
    assert len(asked) == 4 and len(set(asked)) == 4 and len(found) == 1 and true(found[0])
    assert found[0][2] < 20000


@on_a_quiet_machine
def test_silence_and_forged_answers_are_waited_out():
    for wrong in ({"silent": 1}, {"nonce": b"12345678"}, {"nonce": b"12345678", "stratum": 0, "kiss": b"DENY"}):
        found, asker, helped, _ = ask([(0, 0, wrong)])
        assert not helped and found == [] and "no answer within 300 ms" in asker.error, (wrong, asker.error)
        assert asker.status()["servers"] == 1
    found, _, helped, _ = ask([(0, 0, {"silent": 1}), (0, 0, {})], samples=2)
    assert helped and true(found[0])


def test_replayed_and_doubled_answers_change_nothing():
    found, _, helped, _ = ask([(0, 0, {"twice": 1}), (3, 0, {"replay": 1}), (0, 3, {"replay": 1})], samples=3)
    assert helped and true(found[0])


def test_a_kiss_ends_the_round_and_some_for_good():
    found, asker, helped, asked = ask([(0, 0, {"stratum": 0, "kiss": b"RATE"})], samples=4)
    assert not helped and len(asked) == 1 and asker.status()["servers"] == 1 and "(RATE)" in asker.error
    for code in (b"DENY", b"RSTR"):
        _, asker, _, asked = ask([(0, 0, {"stratum": 0, "kiss": code})], samples=4, rounds=3)
        assert len(asked) == 1 and asker.status()["servers"] == 0


def test_a_server_without_the_time():
    found, asker, helped, _ = ask([(0, 0, {"first": 0xE4})])
    assert not helped and not found and "does not know the time" in asker.error


def test_nobody_there():
    sock, sntp.PORT = server()
    sock.close()
    asker = sntp.Sntp(["127.0.0.1"], Fixes(Clock()), backoff=None)
    assert not asyncio.run(asker.ask_all())
    assert "127.0.0.1: " in asker.error
    sntp.PORT = 123
