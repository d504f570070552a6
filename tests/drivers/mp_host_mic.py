"""The host's microphone against real files, pipes, programs and sockets, and a clock that the test sets."""

import os
import random
import socket
import struct
import time

import micropython

from drivers.host_mic import HostMic
from drivers.host_source import PIECE, capture_command
from mptest import SkipTest

WRAP = 1 << 30


class Clock:
    def __init__(self, now=WRAP - 500000):
        self.now = now

    def __call__(self):
        return self.now & (WRAP - 1)


def samples(n, first=0):
    return struct.pack("<%dh" % n, *[(first + i) * 7 % 65536 - 32768 for i in range(n)])


def wav(path, data, rate=16000, channels=1, extra=b""):
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + extra + b"data" + struct.pack("<I", len(data)) + data
    body += b"LIST" + struct.pack("<I", 4) + b"tail"
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(body)) + body)


def here(name):
    return os.getcwd() + "/" + name


def raises(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), str(error)
    else:
        raise AssertionError("nothing raised")


def until(condition, what):
    """Waits for what a program does that may have to wait for its turn."""
    end = time.ticks_add(time.ticks_ms(), 60000)
    while not condition():
        assert time.ticks_diff(end, time.ticks_ms()) > 0, what
        time.sleep_ms(5)


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def receive(mic, frames, limit_ms=60000):
    """-> ``frames`` frames as they come, read in portions of every size."""
    sound = b""
    buffer = bytearray(2 * 700)
    end = time.ticks_add(time.ticks_ms(), limit_ms)
    while len(sound) < 2 * frames:
        assert time.ticks_diff(end, time.ticks_ms()) > 0, (len(sound), frames)
        waiting = mic.available()
        n = mic.readinto(memoryview(buffer)[: 2 * min(random.randrange(1, 700), frames - len(sound) // 2)])
        assert n or not waiting
        sound += bytes(buffer[: 2 * n])
        if not n:
            time.sleep_ms(1)
    return sound


def test_a_wav_file_plays_by_the_clock_again_and_again():
    random.seed(1)
    data = samples(2500)
    wav("a.wav", data, extra=b"LIST" + struct.pack("<I", 3) + b"abc\0")
    clock = Clock()
    mic = HostMic({"file": here("a.wav")}, ticks_us=clock)
    assert mic.available() == 0
    for _ in range(2):
        mic.start()
        assert mic.available() == 0 and mic.readinto(bytearray(10)) == 0
        sound = b""
        begin = clock.now
        buffer = bytearray(3000)
        while len(sound) < 2 * 12000:
            clock.now += random.randrange(200000)
            waiting = mic.available()
            n = mic.readinto(memoryview(buffer)[: 2 * random.randrange(1500)])
            sound += bytes(buffer[: 2 * n])
            assert n <= waiting and mic.produced() == len(sound) // 2 - n + waiting
            due = (clock.now - begin) * 16000 // 1000000
            assert len(sound) // 2 - n + waiting <= due
            while mic.available() > 3000:
                n = mic.readinto(buffer)
                sound += bytes(buffer[: 2 * n])
            assert due - len(sound) // 2 - mic.available() < 256 + PIECE or mic.available() > 1000
        assert sound == (data * 8)[: len(sound)]
        assert (mic.lost, mic.overruns, mic.lost_exact) == (0, 0, True)
    mic.close()
    assert mic.readinto(bytearray(10)) <= 5


def test_the_rate_of_a_file_is_kept_exactly():
    wav("b.wav", samples(44100), rate=44100)
    clock = Clock()
    mic = HostMic({"file": here("b.wav")}, rate_hz=44100, ticks_us=clock)
    mic.start()
    buffer = bytearray(2 * 44100)
    got = 0
    for _ in range(2000):
        clock.now += 3333
        mic.available()
        while True:
            n = mic.readinto(buffer)
            if not n:
                break
            got += n
    assert 0 <= 2000 * 3333 * 441 // 10000 - got <= 256


def test_wrong_files():
    raises(OSError, lambda: HostMic({"file": here("none.wav")}), "none.wav")
    wav("c.wav", samples(100), rate=8000)
    raises(ValueError, lambda: HostMic({"file": here("c.wav")}), "8000", "16000")
    wav("d.wav", samples(100), channels=2)
    raises(ValueError, lambda: HostMic({"file": here("d.wav")}), "mono")
    wav("e.wav", b"")
    raises(ValueError, lambda: HostMic({"file": here("e.wav")}), "no samples")
    with open("f.wav", "wb") as file:
        file.write(b"RIFX")
    raises(ValueError, lambda: HostMic({"file": here("f.wav")}), "not a WAV")


def test_a_program():
    random.seed(2)
    data = samples(20000)
    with open("raw", "wb") as file:
        file.write(data)
    beat = here("beat")
    mic = HostMic({"pipe": "cat '%s'; while sleep 0.02; do echo >'%s'; done" % (here("raw"), beat)})
    try:
        for _ in range(2):
            mic.start()
            assert receive(mic, 19900) == data[: 2 * 19900]
            folder = mic._source._folder
            for _ in range(2):
                until(lambda: exists(beat), "the program runs")
                os.remove(beat)
            mic.stop()
            assert not exists(folder)
            if exists(beat):
                os.remove(beat)
            time.sleep_ms(100)
            assert not exists(beat), "the program has ended"
    finally:
        mic.stop()
    assert mic.lost == 0


def test_a_pipe_whose_writer_dribbles_never_blocks():
    data = samples(600)
    if os.system("mkfifo dribble"):
        raise SkipTest("no mkfifo here")
    mic = HostMic({"pipe": here("dribble")})
    mic.start()
    with open("dribble", "wb") as file:
        longest = 0
        sound = b""
        buffer = bytearray(2000)
        for i in range(0, 1200, 100):
            file.write(data[i : i + 100])
            time.sleep_ms(5)
            start = time.ticks_us()
            mic.available()
            n = mic.readinto(buffer)
            longest = max(longest, time.ticks_diff(time.ticks_us(), start))
            sound += bytes(buffer[: 2 * n])
        end = time.ticks_add(time.ticks_ms(), 60000)
        while len(sound) < 1024 and time.ticks_diff(end, time.ticks_ms()) > 0:
            n = mic.readinto(buffer)
            sound += bytes(buffer[: 2 * n])
    assert sound == data[:1024]
    assert longest < 5000000, "it does not wait for what the writer writes next"
    mic.close()


def test_a_capture_program_is_found_by_probing():
    data = samples(3000)
    with open("raw", "wb") as file:
        file.write(data)
    with open("arecord", "w") as file:
        file.write('#!/bin/sh\necho "$@" >%s\ncat %s\nsleep 60\n' % (here("asked"), here("raw")))
    os.system("chmod +x arecord")
    path = os.getenv("PATH")
    os.putenv("PATH", os.getcwd() + ":" + path)
    try:
        assert capture_command(8000).startswith("arecord ")
        mic = HostMic({"pipe": "auto"}, rate_hz=8000)
        mic.start()
        try:
            assert receive(mic, 2816) == data[:5632]  # whole pieces
        finally:
            mic.close()
        with open("asked") as file:
            assert file.read() == "-q -t raw -f S16_LE -c 1 -r 8000\n"
        os.putenv("PATH", "/nowhere")
        raises(ValueError, lambda: capture_command(8000), "arecord", "sox", "ffmpeg")
    finally:
        os.putenv("PATH", path)


def test_sound_made_by_sox_or_ffmpeg():
    for command in (
        "sox -q -n -t raw -e signed -b 16 -L -c 1 -r 16000 - synth 2 sine 1000 gain -6",
        "ffmpeg -loglevel error -f lavfi -i sine=1000:r=16000:d=2 -f s16le -ac 1 -ar 16000 -",
    ):
        if not os.system("command -v %s >/dev/null 2>&1" % command.split()[0]):
            break
    else:
        raise SkipTest("neither sox nor ffmpeg here")
    mic = HostMic({"pipe": command})
    mic.start()
    sound = struct.unpack("<16000h", receive(mic, 16000))
    mic.close()
    crossings = sum(1 for i in range(1, 16000) if sound[i - 1] < 0 <= sound[i])
    assert abs(crossings - 1000) <= 2


def server():
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for _ in range(50):
        port = random.randrange(20000, 60000)
        try:
            listening.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            break
        except OSError:
            pass
    listening.listen(1)
    return listening, port


def test_a_socket():
    random.seed(time.ticks_us())
    data = samples(4000)
    listening, port = server()
    mic = HostMic({"tcp": {"host": "127.0.0.1", "port": port}})
    for _ in range(2):
        mic.start()
        peer = listening.accept()[0]
        at = 0
        sound = b""
        buffer = bytearray(1000)
        while len(sound) < len(data):
            n = random.randrange(1, 300)  # odd ones, too: half a sample may come
            peer.write(data[at : at + n])
            at += n
            mic.available()
            n = mic.readinto(buffer)
            sound += bytes(buffer[: 2 * n])
        assert sound == data
        peer.close()
        time.sleep_ms(5)
        assert mic.available() == 0
    listening.close()
    mic.stop()
    raises(OSError, mic.start, "127.0.0.1", str(port))


class Dealer:
    """A live source of numbered samples: ``period`` frames at a time, and some never."""

    live = True

    def __init__(self, clock, rate, period):
        self.clock = clock
        self.rate = rate
        self.period = period
        self.start = clock.now
        self.dropped = 0
        self.stuck = False
        self.given = 0

    def open(self):
        pass

    def close(self):
        pass

    def made(self):
        return int((self.clock.now - self.start) * self.rate / 1e6) // self.period * self.period

    def readinto(self, view):
        n = 0 if self.stuck else min(len(view), 2 * max(0, self.made() - self.dropped - self.given))
        self.given += n // 2
        return n


def test_a_loss_is_noticed_by_the_clock():
    random.seed(5)
    wav("g.wav", samples(100))
    for rate, period in ((15992.0, 160), (16000.0, 2000), (16010.0, 1024)):
        clock = Clock()
        mic = HostMic({"file": here("g.wav")}, ticks_us=clock)
        mic._source = dealer = Dealer(clock, rate, period)
        mic.start()
        got = 0
        buffer = bytearray(4000)

        def run(seconds, mic=mic, clock=clock, buffer=buffer):
            n = 0
            end = clock.now + int(seconds * 1e6)
            while clock.now < end:
                clock.now += random.randrange(5000, 30000)
                mic.available()
                k = mic.readinto(buffer)
                while k:
                    n += k
                    k = mic.readinto(buffer)
            return n

        got += run(30)
        assert mic.lost == 0 and mic.lost_exact, (rate, mic.lost)
        dealer.stuck = True
        got += run(5)  # nothing comes for a while, then all of it: no loss
        dealer.stuck = False
        got += run(20)
        assert mic.lost == 0, (rate, mic.lost)
        for loss in (3000, 9000):
            before = mic.lost
            dealer.dropped += loss
            got += run(9)
            assert abs(mic.lost - before - loss) < 400, (rate, loss, mic.lost - before)
        assert mic.overruns == 2 and not mic.lost_exact
        mic.available()
        assert mic.produced() == got + mic.lost


def test_available_and_readinto_need_no_heap():
    wav("h.wav", samples(3000))
    clock = Clock(1000)
    low = [1000]
    mic = HostMic({"file": here("h.wav")}, ticks_us=lambda: low[0])
    buffer = memoryview(bytearray(2000))
    mic.start()
    total = 0
    for _ in range(6):
        low[0] += 100000
        micropython.heap_lock()
        try:
            waiting = mic.available()
            n = mic.readinto(buffer)
            while n:
                total += n
                n = mic.readinto(buffer)
        finally:
            micropython.heap_unlock()
    assert total > 9000, (total, waiting, clock)
