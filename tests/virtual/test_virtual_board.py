"""The virtual board from outside: start, stop, kill, power cut, faults of the world, time and network."""

import asyncio
import functools
import json
import socket
import time

import pytest

from host.virtual import VirtualBoard
from host.virtual.image import ImageError, read_tree, write_tree
from tests.virtual import on_board

HELLO = "def run():\n    print('hello')\n    return 5\n"


def test_exit_code_and_lines(tmp_path):
    assert on_board.run(tmp_path, HELLO) == (5, ["hello"])


def test_an_exception_is_code_1_with_its_trace(tmp_path):
    code, lines = on_board.run(tmp_path, "def run():\n    raise OSError(5)\n")
    assert code == 1
    assert lines[0].startswith("Traceback") and "EIO" in lines[-1]


def test_the_heap_is_small_and_mostly_free(tmp_path):
    program = "import gc\ndef run():\n    gc.collect()\n    print(gc.mem_free(), gc.mem_alloc())\n"
    code, lines = on_board.run(tmp_path, program)
    free, used = map(int, lines[0].split())
    assert code == 0
    assert 500_000 < free + used < 530_000
    assert used < 115_000, "the port and the models take this much of the heap"


def test_status_lines_are_parsed_and_others_logged(tmp_path):
    program = "def run():\n    print('@{\"state\": \"x\", \"n\": 1}')\n    print('@not json')\n    print('log')\n"
    made = on_board.board(tmp_path, program)
    code, lines = asyncio.run(on_board.start(made))
    assert code == 0 and made.status == {"state": "x", "n": 1}
    assert lines[1:] == ["@not json", "log"]
    assert made.log[1:] == ["@not json", "log"]


def test_flash_contents_survive_kill_and_stay_over_an_install(tmp_path):
    program = """
import time
def run():
    with open('/kept.txt', 'w') as file:
        file.write('x' * 5000)
    print('ready')
    time.sleep(100)
"""
    made = on_board.board(tmp_path, program, clock="real")

    async def scene():
        await made.start()
        async for line in made.lines():
            if line == "ready":
                await made.kill()
        return await made.wait()

    assert asyncio.run(scene()) == -9
    write_tree(made.image, {"/program.py": HELLO.encode()}, size_kb=256)
    assert made.files() == {"/kept.txt": b"x" * 5000, "/program.py": HELLO.encode()}
    assert asyncio.run(on_board.start(made)) == (5, ["hello"])


def test_exit_is_a_line_on_standard_input(tmp_path):
    program = "import sys\ndef run():\n    print('ready')\n    print(sys.stdin.readline().strip())\n"
    made = on_board.board(tmp_path, program, clock="real")

    async def scene():
        await made.start()
        lines = []
        async for line in made.lines():
            lines.append(line)
            if line == "ready":
                await made.stop()
        return await made.wait(), lines[-1]

    assert asyncio.run(asyncio.wait_for(scene(), 300)) == (0, "exit")


WRITER = """
def run():
    for i in range(10):
        print(i)
        with open('/%d.txt' % i, 'w') as file:
            file.write('y' * 300)
    return 0
"""


def test_power_cut_at_an_operation(tmp_path):
    for cut_at, torn in ((0, False), (12, True), (13, False)):
        flash = {"size_kb": 128, "cut_at": cut_at, "torn": torn}
        folder = tmp_path / str(cut_at)
        code, lines = on_board.run(folder, WRITER, flash=flash)
        assert code == 77
        assert json.loads(lines[-1][1:]) == {"state": "power cut", "world_s": 0.0, "exit": 77}
        left = read_tree(folder / "flash.bin")
        assert all(content in (b"", b"y" * 300) for name, content in left.items() if name != "/program.py")
    assert on_board.run(tmp_path / "all", WRITER, flash={"size_kb": 128, "cut_at": 10_000})[0] == 0


def test_a_torn_write_leaves_a_part_behind(tmp_path):
    images = []
    for torn in (False, True):
        on_board.run(tmp_path / str(torn), WRITER, flash={"size_kb": 128, "cut_at": 0, "torn": torn})
        images.append((tmp_path / str(torn) / "flash.bin").read_bytes())
    changed = [i for i in range(len(images[0])) if images[0][i] != images[1][i]]
    assert 0 < len(changed) < 4096


def test_no_handler_runs_after_a_power_cut(tmp_path):
    program = """
def run():
    try:
        open('/a', 'w').write('x' * 9999)
    finally:
        print('finally')
"""
    _, lines = on_board.run(tmp_path, program, flash={"size_kb": 128, "cut_at": 2})
    assert lines == ['@{"state": "power cut", "world_s": 0.0, "exit": 77}']


def test_reset_ends_the_process_at_once(tmp_path):
    code, lines = on_board.run(tmp_path, "import machine\ndef run():\n    machine.reset()\n    print('not reached')\n")
    assert (code, lines) == (70, ['@{"state": "reset", "world_s": 0.0, "exit": 70}'])


def test_flash_stalls_take_virtual_time(tmp_path):
    program = """
import time
def run():
    t0 = time.ticks_us()
    with open('/x', 'wb') as file:
        file.write(bytes(8 * 4096))
    print(time.ticks_diff(time.ticks_us(), t0))
"""
    _, fast = on_board.run(tmp_path / "fast", program)
    _, slow = on_board.run(tmp_path / "slow", program, flash={"size_kb": 256, "erase_us": 45_000, "program_us": 700})
    assert int(fast[0]) < 100
    blocks = 9  # 32768 bytes of content and LittleFS's pointers
    assert int(slow[0]) >= blocks * 45_000 + 8 * 16 * 700


def test_flash_stalls_block_on_the_real_clock(tmp_path):
    program = """
import time
def run():
    t0 = time.ticks_us()
    open('/x', 'wb').close()
    print(time.ticks_diff(time.ticks_us(), t0))
"""
    _, lines = on_board.run(tmp_path, program, clock="real", flash={"size_kb": 256, "program_us": 30_000})
    assert 30_000 <= int(lines[0])


def test_real_clock_sleeps_and_interrupts(tmp_path):
    program = """
import asyncio, time
from machine import Timer

async def sleep():
    await asyncio.sleep_ms(180)

def run():
    ticks = []
    t0 = time.ticks_us()
    timer = Timer(-1, period=50, callback=lambda t: ticks.append(1))
    asyncio.run(sleep())
    print(time.ticks_diff(time.ticks_us(), t0) // 1000, len(ticks))
    time.sleep_ms(60)
    print(len(ticks))
"""
    started = time.monotonic()
    code, lines = on_board.run(tmp_path, program, clock="real")
    assert code == 0
    slept, ticks = map(int, lines[0].split())
    assert 179 <= slept and 3 <= ticks <= slept // 50 + 1  # asyncio counts whole milliseconds
    assert int(lines[1]) > ticks
    assert time.monotonic() - started >= 0.24


def test_tasks_made_now_run_now_even_when_the_wall_is_ahead(tmp_path):
    program = """
import asyncio, time, utime
def run():
    return asyncio.run(main())

async def main():
    t0 = utime.ticks_ms()
    while utime.ticks_ms() - t0 < 100:  # the wall's time: none passes on the board
        pass
    t0 = time.ticks_us()
    await asyncio.create_task(nothing())
    print(time.ticks_diff(time.ticks_us(), t0))

async def nothing():
    pass
"""
    _, lines = on_board.run(tmp_path, program)
    assert int(lines[0]) < 50


def test_rtc_from_the_host(tmp_path):
    program = "import time\ndef run():\n    print(time.time() + 946684800)\n"
    before = int(time.time())
    _, lines = on_board.run(tmp_path / "host", program, rtc="host")
    assert before <= int(lines[0]) <= time.time()
    _, lines = on_board.run(tmp_path / "number", program, rtc=1_800_000_000)
    assert int(lines[0]) == 1_800_000_000


NETWORK = """
import asyncio, errno, socket, time, utime
from time import ticks_diff, ticks_us
def run():
    return asyncio.run(main())

async def idle():
    t0 = time.ticks_ms()
    await asyncio.sleep(5000)
    print('idle', time.ticks_ms() - t0)

async def main():
    await idle()
    s = socket.socket()
    s.setblocking(False)
    try:
        s.connect(socket.getaddrinfo('127.0.0.1', %d)[0][-1])
    except OSError as error:
        if error.errno != errno.EINPROGRESS:
            raise
    buf = bytearray(16)
    t0 = ticks_us()
    wall = utime.ticks_us()
    n = None
    asked = 0
    while not n:
        try:
            n = s.readinto(buf)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOTCONN):
                raise
        await asyncio.sleep_ms(5)
        asked += 1
        if asked == 60:
            print('asked')
    waited = ticks_diff(ticks_us(), t0)
    print('waited', waited, utime.ticks_diff(utime.ticks_us(), wall), bytes(buf[:n]))
    await idle()
    s.close()
"""


async def _answered(made, port_of, said: str, answer: bytes) -> tuple[int, list[str]]:
    """Run a board, whose program `port_of(port)` connects to a server that answers when the board has `said` that it
    waits. -> exit code, lines
    """
    waits = asyncio.Event()

    async def serve(reader, writer):
        await waits.wait()
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        board = made(port_of(server.sockets[0].getsockname()[1]))
        lines = []
        await board.start()
        try:
            async with asyncio.timeout(300):
                async for line in board.lines():
                    lines.append(line)
                    if line == said:
                        waits.set()
            return await board.wait(), [line for line in lines if not line.startswith("virtual board:")]
        finally:
            await board.kill()


def test_virtual_time_follows_the_wall_while_a_socket_waits(tmp_path):
    """And not while nobody waits: that would take hours."""
    made = functools.partial(on_board.board, tmp_path)
    code, lines = asyncio.run(_answered(made, lambda port: NETWORK % port, "asked", b"late"))
    assert code == 0, lines
    _, waited, wall, text = lines[2].split(" ", 3)
    assert text == "b'late'"
    assert 60 * 5000 <= int(waited) <= 1.1 * int(wall), "no faster than the wall"
    assert [int(line.split()[1]) // 1000 for line in (lines[0], lines[3])] == [5000, 5000]


CONNECT = """
import errno, socket, time, utime
def run():
    s = socket.socket()
    s.setblocking(False)
    try:
        s.connect(socket.getaddrinfo('127.0.0.1', %d)[0][-1])
    except OSError as error:
        assert error.errno == errno.EINPROGRESS
    t0 = utime.ticks_ms()
    time.sleep_ms(30)
    print(utime.ticks_ms() - t0)
    t0 = utime.ticks_ms()
    time.sleep(3600)
    print(utime.ticks_ms() - t0)
"""


def test_virtual_time_follows_the_wall_while_connecting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, lines = on_board.run(tmp_path, CONNECT % server.getsockname()[1])
    assert int(lines[0]) >= 29, lines
    assert int(lines[1]) < 1_000_000, "not for ever: an open connection that nobody asks about is idle"


STREAMS = """
import asyncio, time, utime
def run():
    return asyncio.run(main())

async def tick():
    for _ in range(30):
        await asyncio.sleep_ms(10)
    print('ticked')

async def main():
    reader, writer = await asyncio.open_connection('127.0.0.1', %d)
    t0 = time.ticks_us()
    wall = utime.ticks_us()
    asyncio.create_task(tick())
    line = await reader.readline()
    print(time.ticks_diff(time.ticks_us(), t0), utime.ticks_diff(utime.ticks_us(), wall), line)
    writer.close()
    await writer.wait_closed()
"""


def test_asyncio_streams_wait_in_wall_time_too(tmp_path):
    made = functools.partial(on_board.board, tmp_path)
    code, lines = asyncio.run(_answered(made, lambda port: STREAMS % port, "ticked", b"line\n"))
    assert code == 0, lines
    waited, wall, text = lines[1].split(" ", 2)
    assert text == "b'line\\n'"
    assert 30 * 10_000 <= int(waited) <= 1.1 * int(wall)


def test_bus_faults_from_the_world(tmp_path):
    program = """
from machine import I2C, Pin
def run():
    bus = I2C(0, scl=Pin(1), sda=Pin(2))
    out = []
    for _ in range(6):
        try:
            out.append(bus.readfrom_mem(106, 0x0F, 1)[0])
        except OSError as error:
            out.append(-error.errno)
    print(out)
"""
    faulty = on_board.IMU | {"faults": {"every": 3, "errno": 110, "who_am_i": 107}}
    _, lines = on_board.run(tmp_path, program, i2c={"0": [faulty]})
    assert json.loads(lines[0]) == [107, 107, -110, 107, 107, -110]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("missing.npy", None, "missing.npy"), ("bad.npy", b"PK\x03\x04" * 9, "not a .npy file")],
)
def test_a_world_that_cannot_be_wired_is_one_sentence(tmp_path, name, content, said):
    if content:
        (tmp_path / name).write_bytes(content)
    imu = on_board.IMU | {"source": {"file": str(tmp_path / name)}}
    made = on_board.board(tmp_path, HELLO, i2c={"0": [imu]})
    code, _ = asyncio.run(on_board.start(made))
    assert code == 2
    assert len(made.log) == 1 and said in made.log[0]


def test_a_flash_without_file_system_is_never_formatted(tmp_path):
    made = on_board.board(tmp_path, HELLO)
    made.image.write_bytes(b"\x00" * 262144)
    assert asyncio.run(on_board.start(made))[0] == 2
    assert "no file system" in made.log[0]
    assert made.image.read_bytes() == b"\x00" * 262144


def test_an_absent_flash_is_formatted_at_power_on(tmp_path):
    made = on_board.board(tmp_path, HELLO)
    made.image.unlink()
    code, lines = asyncio.run(on_board.start(made))
    assert code == 1 and "no module named 'program'" in lines[-1]
    assert made.files() == {}


def test_images_that_do_not_fit_are_refused(tmp_path):
    image = tmp_path / "flash.bin"
    write_tree(image, {"/a": b"1"}, size_kb=128)
    with pytest.raises(ImageError, match="is 131072 bytes, not 262144"):
        write_tree(image, {"/a": b"2"}, size_kb=256)
    with pytest.raises(ImageError, match="more than 128 KB"):
        write_tree(image, {"/big": bytes(200_000)}, size_kb=128)
    assert read_tree(image) == {"/a": b"1"}
    (tmp_path / "other.bin").write_bytes(b"\x00" * 131072)
    with pytest.raises(ImageError, match="no LittleFS"):
        read_tree(tmp_path / "other.bin")


def test_installing_replaces_code_and_keeps_data(tmp_path):
    image = tmp_path / "flash.bin"
    write_tree(image, {"/app/old.mpy": b"1", "/app/same.mpy": b"2", "/data/x": b"3"}, size_kb=128)
    write_tree(image, {"/app/same.mpy": b"2", "/app/new/deep.mpy": b"4"}, size_kb=128, folders=("/app", "/absent"))
    assert read_tree(image) == {"/app/same.mpy": b"2", "/app/new/deep.mpy": b"4", "/data/x": b"3"}


def test_the_whole_board_is_installed(tmp_path):
    made = VirtualBoard({"flash": {"size_kb": 1024}}, tmp_path)
    made.install(config={"device": "x"}, secrets={}, files={"/ca.der": b"certificate"})
    files = made.files()
    assert json.loads(files["/config.json"]) == {"device": "x"}
    assert files["/ca.der"] == b"certificate"
    assert files["/app/main.mpy"].startswith(b"M\x06")
    assert not [name for name in files if "model" in name]
    assert len(files["/code.sha256"]) == 64
