"""The shipper's loop with a transport that does as it is told, and what `Https` refuses to be made of."""

import asyncio
from time import ticks_diff, ticks_ms

from transport.backoff import Backoff
from transport.errors import CONFIG, LOST, TransportError
from transport.https import Https
from transport.shipper import Shipper


class Spool:
    def __init__(self, *names):
        self.names = list(names)
        self.log = []

    def pending(self, limit=32, skip=(), taken=()):
        return [name for name in self.names if not any([name in known for known in skip + (taken,)])][:limit]

    def waiting(self):
        return iter([(name, name) for name in self.names])

    def is_pending(self, name):
        return name in self.names

    def rest(self):
        self.log.append("rest")

    def acknowledge(self, name):
        self.log.append("ack " + name)
        self.names.remove(name)


class Transport:
    """Takes every name but those in `plan`: name -> list of what happens in its next attempts."""

    def __init__(self, spool, **plan):
        self.spool = spool
        self.plan = plan
        self.conflicts = {}
        self.refused = {}
        self.sent_bytes = 0
        self.connections = 0
        self.busy = 0
        self.ship_ms = 0

    async def connect(self):
        self.connections = 1

    async def close(self):
        self.spool.log.append("close")

    on_the_way = ()
    stays = False

    async def ship(self, take, answered):
        self.busy += 1
        assert self.busy == 1
        try:
            while True:
                name = take()
                if name is None:
                    return
                answered(name, await self._ship(name))
        finally:
            self.busy -= 1

    async def _ship(self, name):
        self.spool.log.append("put " + name)
        await asyncio.sleep_ms(self.ship_ms)
        step = self.plan[name].pop(0) if self.plan.get(name) else "ok"
        if step == "lost":
            raise TransportError(LOST, "gone")
        if step == "conflict":
            self.conflicts[name] = "other bytes"
            return False
        if step == "refused":
            self.refused[name] = "not now"
            return False
        return True


def make(*names, **plan):
    spool = Spool(*names)
    transport = Transport(spool, **plan)
    return spool, transport, Shipper(spool, transport, interval_s=0.01, backoff=Backoff(0.001, 0.004))


def test_each_name_is_acknowledged_before_the_next_is_sent():
    spool, _, shipper = make("a", "b", "c")
    assert asyncio.run(shipper.drain(60)) == 0
    assert spool.log == ["put a", "ack a", "put b", "ack b", "put c", "ack c"], spool.log
    assert shipper.acknowledged == shipper.attempts == 3 and shipper.failures == 0 and shipper.last_error is None


def test_after_a_failure_it_goes_on_in_the_same_order():
    spool, _, shipper = make("a", "b", "c", b=["lost", "lost"])
    assert asyncio.run(shipper.drain(60)) == 0
    assert spool.log == ["put a", "ack a", "put b", "put b", "put b", "ack b", "put c", "ack c"], spool.log
    assert shipper.failures == 2 and shipper.last_error == "link lost: gone"


def test_conflict_is_tried_once_and_not_waited_for():
    spool, transport, shipper = make("a", "b", "c", b=["conflict"])
    start = ticks_ms()
    assert asyncio.run(shipper.drain(60)) == 1
    assert ticks_diff(ticks_ms(), start) < 50000
    assert spool.log == ["put a", "ack a", "put b", "put c", "ack c"], spool.log
    assert shipper.last_error == "other bytes"
    spool.names.remove("b")  # the spool dropped it
    asyncio.run(shipper.drain(60))
    assert transport.conflicts == {}


def test_bug_many_names_in_conflict_hid_the_rest():
    """The spool names 32 at a time: with 32 of them in conflict, nothing else was ever shipped or counted."""
    names = ["n%02d" % i for i in range(80)]
    plan = {name: ["conflict"] for name in names[:40]}
    spool, _, shipper = make(*names, **plan)
    assert asyncio.run(shipper.drain(60)) == 40
    assert spool.names == names[:40]
    assert shipper.acknowledged == 40 and shipper.attempts == 80


def test_bug_many_refused_names_hid_the_rest():
    names = ["n%02d" % i for i in range(80)]
    plan = {name: ["refused"] for name in names[:40]}
    spool, _, shipper = make(*names, **plan)
    assert asyncio.run(shipper.drain(60)) == 0
    assert spool.log[40:120] == [what + name for name in names[40:] for what in ("put ", "ack ")]


def test_without_a_network_nothing_is_tried_and_nothing_fails():
    class Link:
        up = False

        def is_up(self):
            return self.up

    spool = Spool("a")
    link = Link()
    shipper = Shipper(spool, Transport(spool), interval_s=9, backoff=Backoff(100, 100), link=link)

    async def later():
        task = asyncio.create_task(shipper.drain(60))
        await asyncio.sleep_ms(250)
        seen = shipper.status()
        link.up = True
        return seen, await task

    seen, left = asyncio.run(later())
    assert seen["state"] == "no network" and seen["attempts"] == seen["failures"] == 0 and left == 0
    assert asyncio.run(Shipper(spool, None, interval_s=9, backoff=None, link=Link()).drain(0.05)) == 0


def test_refused_name_gets_its_turn_after_the_others():
    spool, _, shipper = make("a", "b", "c", a=["refused", "refused"])
    assert asyncio.run(shipper.drain(60)) == 0
    assert spool.log == ["put a", "put b", "ack b", "put c", "ack c", "put a", "put a", "ack a"], spool.log


def test_refused_name_gets_its_turn_after_the_others_when_these_fail_first():
    spool, transport, shipper = make("a", "b", a=["refused"], b=["lost", "lost"])
    assert asyncio.run(shipper.drain(60)) == 0
    assert spool.log == ["put a", "put b", "put b", "put b", "ack b", "put a", "ack a"], spool.log
    assert transport.refused == {}


def test_bug_an_answer_that_came_while_connecting_was_told_twice():
    """Names are looked up first, then the connection is made: what the other side says there may concern them."""

    class Early(Transport):
        async def ship(self, take, answered):
            answered("b", True)
            await super().ship(take, answered)

    spool = Spool("a", "b", "c")
    shipper = Shipper(spool, Early(spool), interval_s=0.01, backoff=Backoff(0.001, 0.004))
    assert asyncio.run(shipper.drain(60)) == 0
    assert spool.log == ["ack b", "put a", "ack a", "put c", "ack c"], spool.log
    assert shipper.acknowledged == 3


def test_back_off_after_each_failure_and_short_again_after_a_success():
    calls = []

    class Noted:
        def next_ms(self):
            calls.append("wait")
            return 1

        def reset(self):
            calls.append("reset")

    spool = Spool("a", "b", "c")
    transport = Transport(spool, a=["lost", "lost"], c=["lost"])
    assert asyncio.run(Shipper(spool, transport, interval_s=9, backoff=Noted()).drain(60)) == 0
    assert calls == ["wait", "wait", "reset", "reset", "wait", "reset"], calls


def test_flash_error_of_the_spool_is_a_failure_and_not_the_end():
    spool, _, shipper = make("a")
    acknowledge, errors = spool.acknowledge, [OSError(5)]

    def failing(name):
        if errors:
            raise errors.pop()
        acknowledge(name)

    spool.acknowledge = failing
    assert asyncio.run(shipper.drain(60)) == 0
    assert spool.log == ["put a", "put a", "ack a"] and shipper.failures == 1


def test_drain_keeps_its_deadline_whatever_the_shipper_is_doing():
    for plan, ship_ms in (({"a": ["lost"] * 100000}, 0), ({}, 10000), ({"a": ["refused"] * 100000}, 0)):
        for deadline_ms in range(20, 26):  # back-offs of 1 to 4 ms end now and then together with the deadline
            spool, transport, shipper = make("a", "b", **plan)
            transport.ship_ms = ship_ms
            start = ticks_ms()
            left = asyncio.run(shipper.drain(deadline_ms / 1000))
            assert left >= 1
            assert ticks_diff(ticks_ms(), start) < 9000
            assert transport.busy == 0


def test_run_takes_what_comes_later_and_stops():
    spool, _, shipper = make("a")

    async def main():
        task = asyncio.create_task(shipper.run())
        await asyncio.sleep_ms(5)
        assert shipper.state == "waiting"
        spool.names.append("b")
        await asyncio.sleep_ms(300)
        shipper.stop()
        await task

    asyncio.run(main())
    assert spool.log == ["put a", "ack a", "put b", "ack b", "close"], spool.log
    assert shipper.state == "stopped"


def test_before_a_long_pause_it_lets_go_of_what_only_shipping_needs():
    for interval_s, let_go in ((20, ["rest", "close"]), (19, [])):
        spool = Spool("a")
        shipper = Shipper(spool, Transport(spool), interval_s=interval_s, backoff=Backoff(0.001, 0.004))

        async def main(spool, shipper):
            task = asyncio.create_task(shipper.run())
            while shipper.state != "waiting":
                await asyncio.sleep_ms(1)
            log = list(spool.log)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            return log

        log = asyncio.run(main(spool, shipper))
        assert log == ["put a", "ack a"] + let_go, log


def test_drain_beside_run_sends_nothing_twice():
    spool, transport, shipper = make("a", "b", "c", a=["lost"])
    transport.ship_ms = 5

    async def main():
        task = asyncio.create_task(shipper.run())
        await asyncio.sleep_ms(2)
        left = await shipper.drain(60)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        return left

    assert asyncio.run(main()) == 0
    assert [line for line in spool.log if line != "put a"] == ["ack a", "put b", "ack b", "put c", "ack c", "close"]
    assert spool.log.count("put a") == 2


def refused(**arguments):
    try:
        Https(None, **arguments)
    except TransportError as error:
        assert error.kind == CONFIG
        return error.message
    raise AssertionError("not refused: %r" % arguments)


def test_arguments_that_cannot_work_are_refused_in_a_sentence():
    assert "ca" in refused(url="https://example.com")
    assert "ca" in refused(url="https://example.com", ca=b"")
    assert "not a certificate" in refused(url="https://example.com", ca=b"nonsense")
    pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert "not a certificate" in refused(url="https://example.com", ca=pem)
    for url in ("http://192.168.1.10", "http://collector.local:80/x", "http://127.0.0.1.example.com", "http://127.evil"):
        assert "plain http only" in refused(url=url)
    for url in (
        "", "example.com", "ftp://h", "https://", "https://:1", "https://h:0", "https://h:65536", "https://h:x", "https://h:-1",
        "https://u:p@h", "https://h/a?b", "https://h/#", "https://h/a b", "https://h\r\nX: y", "https://[::1", "https://[::1]8",
    ):  # fmt: skip
        assert "expected https://host[:port][/path]" in refused(url=url), url
    for token in ("", "two words", "line\r\nend", "t\xe4st", "x" * 1025):
        message = refused(url="http://127.0.0.1", token=token)
        assert "token" in message and (not token or token not in message)


def test_arguments_that_work():
    for url in ("http://127.0.0.1", "http://localhost:8080/", "http://[::1]:8080/a/b", "http://127.1.2.3:1"):
        Https(None, url=url, token="abc~!", timeout_s=0.5)
