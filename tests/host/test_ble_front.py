"""The collector fetches from virtual boards over Bluetooth: the whole recorder, and what goes wrong on the way."""

import asyncio
import contextlib
import random
import zlib
from pathlib import Path

import pytest

from host import verify
from host.ble import Acknowledge, Board, Found, Refusal
from host.collector.ble import BleFront
from host.collector.ingest import Ingest
from host.store import Store
from host.virtual import VirtualBoard
from host.virtual.radio.air import Air
from host.virtual.radio.central import BumbleRadio
from host.virtual.radio.peripheral import VirtualRadio
from tests.spine.rig import Rig, sessions
from tests.transport.ble_rig import BleRig, aioble_files


@contextlib.asynccontextmanager
async def collector(folder: Path, hci: str):
    """A front whose board must be fetched from by hand; its `out` is the data set."""
    ingest = Ingest(Store(folder / "out"))
    await ingest.start()
    yield BleFront(ingest, radio=BumbleRadio(hci), parts=folder / "parts")
    ingest.stop()


async def found(front: BleFront) -> Found:
    for _ in range(20):
        for board in await front._radio.scan(5):
            return board
    raise AssertionError("no board advertises")


def clean(out: Path) -> list:
    report = verify.verify(out)
    assert not [finding for finding in report.findings if finding.level in ("error", "warning")], report.findings
    return report.streams


@pytest.mark.parametrize("times", [{}, {"max_latency_s": 1, "interval_s": 0, "connect_s": 30}])
def test_a_recording_board_is_fetched_from_until_nothing_is_left(tmp_path, times):
    """The whole recorder, recording while it is read: every sample arrives, no ring overflows. Also with its radio
    switched on for each upload anew.
    """

    async def scenario():
        air = Air()
        radio = VirtualRadio(air)
        await radio.start()
        hci = f"tcp-client:127.0.0.1:{await air.serve_hci()}"
        rig = Rig(tmp_path, seconds=5, clock="real")
        rig.config["upload"] = {"ble": {}, **times}
        rig.config["streams"]["imu"]["segment_frames"] = 128
        rig.world["bluetooth"] = radio.world(enomem_share=0.02)
        rig.board = VirtualBoard(rig.world, tmp_path / "board")
        rig.board.install(config=rig.config, secrets={}, files=aioble_files())
        async with collector(tmp_path, hci) as front:
            running = asyncio.create_task(rig.run())
            while not running.done():
                for board in await front._radio.scan(1):
                    await front.fetch(board)
                await asyncio.sleep(0.3)
            assert await running == 0, rig.board.log
        await radio.close()
        await air.close()
        return rig

    rig = asyncio.run(scenario())
    assert rig.board.status["ble"]["acknowledged"] > 5
    (session,) = sessions(tmp_path / "out")
    for account in rig.check(session).values():
        assert account["expected"] == account["stored"] and not account["lost"]
    assert len(clean(tmp_path / "out")) == 2


@pytest.mark.parametrize("seed", [1, 2])
def test_cuts_at_any_point_lose_nothing_and_move_nothing_twice(tmp_path, seed):
    chance = random.Random(seed)

    async def cut(air):
        while True:
            air.cut_after(chance.randrange(1, 300))
            while air.is_to_cut:
                await asyncio.sleep(0.005)

    async def scenario():
        async with BleRig(tmp_path, world={"enomem_share": 0.1}, frames=20000, segment_frames=4096,
                          ble={"answer_bytes": 4096}) as rig, collector(tmp_path, rig.hci) as front:  # fmt: skip
            board = await found(front)
            cutting = asyncio.create_task(cut(rig.air))
            while not await front.fetch(board):
                pass
            cutting.cancel()
            status = await rig.fresh()
            assert status["spool"]["pending_segments"] == 0 and status["ble"]["connections"] > 3
            return front

    front = asyncio.run(scenario())
    (stream,) = clean(tmp_path / "out")
    assert stream["stored"] == stream["expected"] == 20032
    files = [path for path in (tmp_path / "out").rglob("*.*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert front.status()["bytes"] == size
    assert not [path for path in (tmp_path / "parts").rglob("*") if path.is_file()]


def test_a_link_that_never_holds_for_a_whole_answer_brings_everything(tmp_path):
    """It breaks after 60 packets, connecting included; a long answer alone has 68."""

    async def cut(air):
        while True:
            air.cut_after(60)
            while air.is_to_cut:
                await asyncio.sleep(0.005)

    async def scenario():
        async with BleRig(tmp_path, frames=6000, segment_frames=8192) as rig, collector(tmp_path, rig.hci) as front:
            board = await found(front)
            cutting = asyncio.create_task(cut(rig.air))
            async with asyncio.timeout(300):
                assert await front.fetch(board)
            cutting.cancel()

    asyncio.run(scenario())
    (stream,) = clean(tmp_path / "out")
    assert stream["stored"] == stream["expected"] == 6016


def test_a_half_fetched_file_goes_on_and_a_wrong_half_does_not(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=5000, segment_frames=8192) as rig, collector(tmp_path, rig.hci) as front:
            radio, moved = BumbleRadio(rig.hci), []
            async with Board(radio.transport(), rig.address) as board:
                (_, segment, *_), _ = await board.waiting(0)
                remote, size, _ = segment.files[0]
                part = tmp_path / "part"
                whole = await board.download(remote, size, part, moved.append)
                assert sum(moved) == size == len(whole)
                for beginning, again in ((whole[:9000], size - 9000), (whole, 0), (b"x" + whole[1:9000], size),
                                         (whole + b"x", size)):  # fmt: skip
                    part.write_bytes(beginning)
                    moved.clear()
                    assert await board.download(remote, size, part, moved.append) == whole
                    assert sum(moved) == again
            assert await front.fetch(await found(front))
            clean(tmp_path / "out")

    asyncio.run(scenario())


def test_only_who_has_every_byte_can_make_the_board_let_go(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=3000, segment_frames=8192) as rig:
            async with Board(BumbleRadio(rig.hci).transport(), rig.address) as board:
                entries, more = await board.waiting(0)
                assert not more and [len(entry.files) for entry in entries] == [1, 2]
                segment = entries[1]
                part = tmp_path / "part"
                content = [await board.download(name, size, part, [].append) for name, size, _ in segment.files]
                wrong = bytearray(content[0])
                wrong[4000] ^= 1
                for forged in ([bytes(wrong), content[1]], content[:1], content[::-1], [], [b""] * 2):
                    with pytest.raises(Refusal, match="ECORRUPT"):
                        await board.acknowledge(segment.name, forged)
                whole = b"".join(content)
                for size in (len(whole) - 1, len(whole) + 1, 0):
                    with pytest.raises(Refusal, match="ECORRUPT"):
                        await board._ask(Acknowledge(name=segment.name, len=size, crc32=zlib.crc32(whole)), "it")
                for name in ("../../boot", "/etc/passwd", "wrist-01/../boot", f"{segment.name}/x", "wrist-01", "",
                             f"{segment.name}\0", "wrist-01/" + "x" * 200 + "/y", "other/1-1-0/x"):  # fmt: skip
                    with pytest.raises(Refusal, match="EINVAL"):
                        await board.acknowledge(name, content)
                assert (await board.waiting(0))[0] == entries
                await board.acknowledge(segment.name, content)
                await board.acknowledge(segment.name, content)  # the answer was lost, say
                names = [entry.name.rsplit("/")[-1] for entry in (await board.waiting(0))[0]]
                assert names == ["session.json", "ledger.json"]

    asyncio.run(scenario())


def test_what_is_here_with_other_bytes_stays_on_the_board_and_lets_the_rest_pass(tmp_path):
    async def scenario():
        async with BleRig(tmp_path, frames=3000, segment_frames=2048) as rig, collector(tmp_path, rig.hci) as front:
            async with Board(BumbleRadio(rig.hci).transport(), rig.address) as board:
                names = [entry.name for entry in (await board.waiting(0))[0]]
            other = tmp_path / "out" / f"{names[1]}.npy"
            other.parent.mkdir(parents=True)
            other.write_bytes(b"other bytes")
            assert not await front.fetch(await found(front))
            async with Board(BumbleRadio(rig.hci).transport(), rig.address) as board:
                assert [entry.name for entry in (await board.waiting(0))[0]] == [names[1]]
            assert other.read_bytes() == b"other bytes"

    asyncio.run(scenario())


def test_it_is_to_be_found_only_while_an_upload_is_due(tmp_path):
    """Three minutes of the virtual clock with an upload each minute: nobody comes."""

    async def scenario():
        air = Air()
        radio = VirtualRadio(air)
        await radio.start()
        rig = Rig(tmp_path, seconds=200)
        rig.config["upload"] = {"ble": {}, "align_s": 60, "connect_s": 2, "backoff_max_s": 1}
        rig.config["streams"] = {"imu": rig.config["streams"]["imu"]}
        rig.world["bluetooth"] = radio.world()
        rig.world["rtc"] = 1_800_000_000
        rig.board = VirtualBoard(rig.world, tmp_path / "board")
        rig.board.install(config=rig.config, secrets={}, files=aioble_files())
        states = {}
        code = await rig.run(each=lambda s: states.setdefault(int(s.get("seconds", 0)), s["ble"]["state"]))
        assert code == 0, rig.board.log
        await radio.close()
        await air.close()
        return states

    states = asyncio.run(scenario())
    # While the radio is asked to do something time passes with the wall: on a busy machine seconds are skipped there.
    assert len(states) > 150 and max(states) == 200
    found_at = [second for second in states if 20 < second < 199 and states[second] != "stopped"]
    assert {second // 60 for second in found_at} == {1, 2, 3} and max(second % 60 for second in found_at) < 20
