"""Downloading over Bluetooth, with requests ahead: a board that answers as it likes, and the real one."""

import asyncio
import random

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smp import header as smpheader
from smpclient.transport import SMP_CHARACTERISTIC_UUID, SMPTransport

from host.ble import AHEAD, BleakTransport, Board, InTurn, LinkError
from host.virtual.radio.central import BumbleRadio
from tests.transport.ble_rig import BleRig


class FakeBoard(SMPTransport):
    """Holds `content`; its answers hold the next of `sizes` bytes each, the last size for ever. `lie(off)`: the offset
    that it says instead.
    """

    mtu = max_unencoded_size = 512

    def __init__(self, content: bytes, sizes: list[int], lie=lambda off: off):
        self._content, self._sizes, self._lie = content, sizes[:], lie
        self._answers: asyncio.Queue = asyncio.Queue()
        self.asked: list[int] = []
        self.most_ahead = self.sent_bytes = 0

    async def connect(self, address, timeout_s):
        pass

    async def send(self, data):
        head = smpheader.Header.loads(data[: smpheader.Header.SIZE])
        if head.group_id != 8:
            answer = {"rc": 8}
        else:
            off = cbor2.loads(data[smpheader.Header.SIZE :])["off"]
            size = self._sizes.pop(0) if len(self._sizes) > 1 else self._sizes[0]
            answer = {"off": self._lie(off), "data": self._content[off : off + size]}
            answer |= {} if off else {"len": len(self._content)}
            self.asked.append(off)
            self.sent_bytes += len(answer["data"])
        body = cbor2.dumps(answer)
        back = bytearray(data[: smpheader.Header.SIZE])
        back[0] += 1
        back[2:4] = len(body).to_bytes(2, "big")
        self._answers.put_nowait(bytes(back) + body)
        self.most_ahead = max(self.most_ahead, self._answers.qsize())

    async def receive(self):
        await asyncio.sleep(0)
        return await self._answers.get()


class Fake(InTurn, FakeBoard):
    pass


def download(folder, content: bytes, fake: Fake, have: bytes = b"") -> bytes:
    part = folder / "part"
    part.unlink(missing_ok=True)
    moved = []

    async def scenario():
        board = Board(fake, "address")
        board._is_prefix = lambda *_: asyncio.sleep(0, True)
        if have:
            part.write_bytes(have)
        return await asyncio.wait_for(board.download("d/s/f.npy", len(content), part, moved.append), 10)

    found = asyncio.run(scenario())
    assert sum(moved) == len(content) - len(have)
    return found


@settings(max_examples=150, deadline=None)
@given(data=st.data(), n=st.integers(1, 5000), seed=st.integers(0, 99))
def test_whatever_the_answers_hold_the_file_is_whole(tmp_path_factory, data, n, seed):
    content = random.Random(seed).randbytes(n)
    sizes = data.draw(st.lists(st.integers(max(1, n // 40), n), min_size=1, max_size=8))
    have = content[: data.draw(st.integers(0, n - 1))]
    fake = Fake(content, sizes)
    assert download(tmp_path_factory.getbasetemp(), content, fake, have) == content
    assert fake.most_ahead <= AHEAD


@pytest.mark.parametrize("grows_by", [0, 256])
def test_answers_that_get_no_shorter_are_asked_for_ahead_and_next_to_nothing_is_sent_twice(tmp_path, grows_by):
    content = random.Random(1).randbytes(50_000)
    fake = Fake(content, [1000 + i * grows_by for i in range(60)])
    assert download(tmp_path, content, fake) == content
    assert fake.most_ahead == AHEAD
    assert fake.sent_bytes <= len(content) + (len(fake.asked) + 1) * 2 * grows_by
    assert grows_by or fake.asked == list(range(0, 50_000, 1000))


def test_a_shorter_answer_costs_no_more_than_what_was_asked_already(tmp_path):
    fake = Fake(bytes(50_000), [1000, 1000, 1000, 600, 1000])
    download(tmp_path, bytes(50_000), fake)
    assert fake.sent_bytes <= 50_000 + AHEAD * 1000


def test_with_bleak_too_an_answer_ends_where_its_length_says(tmp_path):
    """All at once, as when the laptop is busy; and then piece by piece."""
    answers = [bytes([1, 0, 0, len(text), 0, 8, n, 0]) + text for n, text in enumerate((b"one", b"", b"three"))]

    class Sender:
        uuid = str(SMP_CHARACTERISTIC_UUID)

    async def scenario():
        transport = BleakTransport()
        transport._disconnected_event.clear()
        for pieces in ([b"".join(answers)], [bytes([letter]) for letter in b"".join(answers)]):
            for piece in pieces:
                await transport._notify_callback(Sender, bytearray(piece))
            assert [await transport.receive() for _ in answers] == answers

    asyncio.run(asyncio.wait_for(scenario(), 5))


@pytest.mark.parametrize("sizes, lie", [([100], lambda off: off + 1), ([0], lambda off: off), ([100, 100, 0], int)])
def test_an_answer_for_another_place_or_with_nothing_ends_the_connection(tmp_path, sizes, lie):
    with pytest.raises(LinkError, match="another place"):
        download(tmp_path, bytes(1000), Fake(bytes(1000), sizes, lie))
    assert not (tmp_path / "part").read_bytes().strip(b"\0")


def test_the_link_does_not_wait_for_requests(tmp_path):
    """Answers of 2 KB fill 8.4 packets: one by one, they would use half of the link's connection events."""

    async def scenario():
        async with (
            BleRig(tmp_path, interval_ms=40, frames=10_000, segment_frames=16384, ble={"answer_bytes": 2048}) as rig,
            Board(BumbleRadio(rig.hci).transport(), rig.address) as board,
        ):
            entries, _ = await board.waiting(0)
            remote, size, _ = entries[1].files[0]
            events = rig.air.events
            await board.download(remote, size, tmp_path / "part", lambda n: None)
            return size / 244 / 4 / (rig.air.events - events)

    assert asyncio.run(scenario()) > 0.75
