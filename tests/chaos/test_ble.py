"""Bluetooth: the real Ble on a virtual board with the real aioble, the real front on bumble; the air, the collector
and its disk fail. A board lets go only of what the collector acknowledges: so that is where the truth is looked at.
"""

import asyncio
import contextlib
import hashlib
import shutil
from pathlib import Path

import pytest

from host import ble
from host.collector.ble import BleFront
from host.collector.ingest import Ingest
from host.store import Store
from host.virtual.radio.central import BumbleRadio
from tests.chaos import truth
from tests.chaos.collector import POINTS, Mortal
from tests.host.test_ble_front import found
from tests.transport.ble_rig import BleRig

FRAMES, SEGMENT = 6000, 1024


class Fetched:
    """A board, and a front that is asked to fetch by hand; `early`: acknowledged before it was durable in `out`."""

    def __init__(self, folder: Path, rig: BleRig, monkeypatch):
        self.out, self.rig, self.early, self.acks = folder / "out", rig, [], []
        self.ingest = Ingest(Store(self.out))
        self.is_full = False
        self.ingest.store.free_bytes = lambda: 0 if self.is_full else None
        self.front = BleFront(self.ingest, radio=BumbleRadio(rig.hci), parts=folder / "parts")
        acknowledge = ble.Board.acknowledge

        async def watched(board, name, content):
            self.acks.append(name)
            self.early += self._missing(name, content)
            await acknowledge(board, name, content)

        monkeypatch.setattr(ble.Board, "acknowledge", watched)

    def _missing(self, name: str, content: list[bytes]) -> list[str]:
        folder = self.out / name.rpartition("/")[0]
        lines = (folder / "SHA256SUMS").read_text() if (folder / "SHA256SUMS").exists() else ""
        stored = {path.read_bytes() for path in folder.glob(f"{(self.out / name).stem}*")}
        return [
            f"{name}: {len(data)} bytes"
            for data in content
            if data not in stored or hashlib.sha256(data).hexdigest() not in lines
        ]

    async def until_empty(self, rounds: int = 60) -> None:
        board = await found(self.front)
        for _ in range(rounds):
            if await self.front.fetch(board):
                return
        raise AssertionError(f"not in {rounds} rounds: {self.front.status()}")

    async def delivered(self, expected: dict[str, bytes]) -> None:
        assert self.early == []
        assert (await self.rig.fresh())["spool"]["pending_segments"] == 0
        assert set(self.acks) == set(truth.names(expected))
        truth.whole(self.out, expected)


@contextlib.asynccontextmanager
async def recorded(folder: Path, monkeypatch, **how):
    """-> (what is fetched, what has to be delivered: read over the air from a twin of the board)."""
    monkeypatch.setattr("host.collector.ble.ATTEMPTS", 1)
    async with BleRig(folder, frames=FRAMES, segment_frames=SEGMENT, **how) as rig:
        fetched = Fetched(folder, rig, monkeypatch)
        await fetched.ingest.start()
        yield fetched, await over_the_air(rig, folder)
        fetched.ingest.stop()


async def over_the_air(rig: BleRig, folder: Path) -> dict[str, bytes]:
    """What waits on the board, while nothing goes wrong. ledger.json waits behind the segments: it comes last."""
    files = {}
    async with ble.Board(BumbleRadio(rig.hci).transport(), rig.address) as board:
        more, start = True, 0
        while more:
            entries, more = await board.waiting(start)
            start += len(entries)
            for remote, size, _ in [file for entry in entries for file in entry.files]:
                files[remote] = await board.download(remote, size, folder / "twin" / remote, lambda n: None)
    shutil.rmtree(folder / "twin")
    return files


def run(scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario, 300))


def with_ledger(expected: dict[str, bytes], out: Path) -> dict[str, bytes]:
    """ledger.json could not be read beforehand; that it fits is what `verify` says."""
    (ledger,) = out.glob("*/*/ledger.json")
    return expected | {ledger.relative_to(out).as_posix(): ledger.read_bytes()}


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_cut_at_every_packet(tmp_path, monkeypatch, step):
    """The k-th data packet of a round is lost, with the link; in the slow variant for every k, from the first on."""

    async def scenario():
        async with recorded(tmp_path, monkeypatch, ble={"answer_bytes": 1024}) as (fetched, expected):
            board, cuts, k = await found(fetched.front), 0, 0
            while True:
                fetched.rig.air.cut_after(k)
                if await fetched.front.fetch(board):
                    break
                cuts += not fetched.rig.air.is_to_cut
                k += step if k < 40 * step else 3 * step  # later ones must get somewhere
            assert cuts >= 10
            await fetched.delivered(with_ledger(expected, fetched.out))

    run(scenario())


@pytest.mark.slow
def test_a_central_that_stalls_is_cut_off_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(ble, "ANSWER_S", 0.5)

    async def scenario():
        async with recorded(tmp_path, monkeypatch) as (fetched, expected):
            board, air = await found(fetched.front), fetched.rig.air
            for count in (5, 40):
                fetching = asyncio.create_task(fetched.front.fetch(board))
                start = air.packets_sent
                while air.packets_sent < start + count and not fetching.done():
                    await asyncio.sleep(0)
                air.stalled = True
                assert not await fetching
                air.stalled = False
            assert fetched.front.status()["why"]
            await fetched.until_empty()
            await fetched.delivered(with_ledger(expected, fetched.out))

    run(scenario())


def test_an_acknowledgement_that_the_board_never_heard_and_one_whose_answer_got_lost(tmp_path, monkeypatch):
    async def scenario():
        async with recorded(tmp_path, monkeypatch) as (fetched, expected):
            watched, losses = ble.Board.acknowledge, iter(["before", "after"] * 3)

            async def lossy(board, name, content):
                when = next(losses, None)
                if when == "before":
                    raise ble.LinkError("lost")
                await watched(board, name, content)
                if when == "after":
                    raise ble.LinkError("lost")

            monkeypatch.setattr(ble.Board, "acknowledge", lossy)
            await fetched.until_empty()
            assert next(losses, None) is None
            await fetched.delivered(with_ledger(expected, fetched.out))

    run(scenario())


def test_a_disk_that_is_full_for_a_while(tmp_path, monkeypatch):
    async def scenario():
        async with recorded(tmp_path, monkeypatch) as (fetched, expected):
            fetched.is_full = True
            assert not await fetched.front.fetch(await found(fetched.front))
            assert fetched.acks == [] and "the collector's disk is full" in fetched.front.status()["why"]
            fetched.is_full = False
            await fetched.until_empty()
            await fetched.delivered(with_ledger(expected, fetched.out))

    run(scenario())


@pytest.mark.slow
def test_a_board_whose_power_is_cut_while_it_is_read(tmp_path, monkeypatch):
    async def scenario():
        async with recorded(tmp_path, monkeypatch) as (fetched, expected):
            for wait_s in (0.1, 0.25):
                fetching = asyncio.create_task(fetched.front.fetch(await found(fetched.front)))
                await asyncio.sleep(wait_s)
                await fetched.rig.kill()
                await fetching
                fetched.rig.board.status = {}
                await fetched.rig.start()
            await fetched.until_empty()
            await fetched.delivered(with_ledger(expected, fetched.out))

    run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_collector_killed_between_write_and_acknowledgement(tmp_path, monkeypatch, authority, point):
    async def scenario():
        async with recorded(tmp_path, monkeypatch) as (fetched, expected):
            def live():
                return Mortal(fetched.out, tmp_path, [(point, 3), (point, 2)], authority, hci=fetched.rig.hci)

            mortal = await asyncio.to_thread(live().__enter__)
            try:
                await fetched.rig.until(lambda status: status["ble"]["acknowledged"] > len(truth.names(expected)), 200)
            finally:
                await asyncio.to_thread(mortal.__exit__)
            assert mortal.deaths == 2
            truth.whole(fetched.out, with_ledger(expected, fetched.out))

    run(scenario())
