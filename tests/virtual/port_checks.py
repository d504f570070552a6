"""Runs on a virtual board with a virtual clock (test_port.py): what the port's modules promise. Every check_* is a
test.
"""
# ruff: noqa: B905, UP041

import asyncio
import errno
import io
import json
import select
import sys
import time

import machine
import micropython
import network
from machine import I2C, I2S, SPI, Pin, Timer

US = 1000000


def i2c():
    return I2C(0, scl=Pin(22), sda=Pin(21), freq=400000)


def mic(ibuf=8000, bits=32, format=I2S.MONO, rate=16000):
    return I2S(0, sck=Pin(14), ws=Pin(15), sd=Pin(32), mode=I2S.RX, bits=bits, format=format, rate=rate, ibuf=ibuf)


def since(t0):
    return time.ticks_diff(time.ticks_us(), t0)


def near(value, expected, tolerance):
    assert abs(value - expected) <= tolerance, (value, expected)


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError("nothing raised")


def check_sleeps_take_their_time():
    t0 = time.ticks_us()
    time.sleep_us(150)
    near(since(t0), 150, 5)
    time.sleep_ms(20)
    near(since(t0), 20150, 5)
    time.sleep(1.5)
    near(since(t0), 1520150, 5)


def check_microsecond_ticks_wrap_like_a_board():
    t0 = time.ticks_us()
    time.sleep(1000)
    near(time.ticks_diff(time.ticks_us(), t0) % (1 << 30), 1000 * US, 10)
    time.sleep(200)
    t1 = time.ticks_us()
    assert 0 <= t1 < 1 << 30
    near((t1 - t0) % (1 << 30), 1200 * US - (1 << 30), 20)
    assert time.ticks_diff(5, (1 << 30) - 5) == 10
    assert time.ticks_add((1 << 30) - 5, 10) == 5


def check_millisecond_ticks_do_not_wrap():
    t0 = time.ticks_ms()
    time.sleep(2000000)
    near(time.ticks_diff(time.ticks_ms(), t0), 2000000000, 1)
    assert time.ticks_diff(time.ticks_add(t0, -7), t0) == -7


def check_asyncio_wakes_in_order():
    order = []

    async def task(name, ms, times):
        for _ in range(times):
            await asyncio.sleep_ms(ms)
            order.append((name, (time.ticks_us() - t0) // 1000))

    async def main():
        await asyncio.gather(task("a", 300, 3), task("b", 500, 2), task("c", 50, 1))

    time.sleep(max(0, ((1 << 30) - time.ticks_us()) / US - 0.4))  # over the wrap
    t0 = 0
    before = time.ticks_ms()
    asyncio.run(main())
    assert [name for name, _ in order] == ["c", "a", "b", "a", "a", "b"], order
    near(time.ticks_ms() - before, 1000, 1)


def check_an_hour_of_asyncio_costs_nothing():
    async def beat():
        for _ in range(36000):
            await asyncio.sleep_ms(100)

    t0 = time.ticks_ms()
    asyncio.run(beat())
    near(time.ticks_diff(time.ticks_ms(), t0), 3600000, 100)


def check_timeouts_and_events():
    async def main():
        event = asyncio.Event()

        async def later():
            await asyncio.sleep(5)
            event.set()

        asyncio.create_task(later())
        t0 = time.ticks_ms()
        try:
            await asyncio.wait_for(event.wait(), 2)
            raise AssertionError("no timeout")
        except asyncio.TimeoutError:
            near(time.ticks_diff(time.ticks_ms(), t0), 2000, 1)
        await event.wait()
        near(time.ticks_diff(time.ticks_ms(), t0), 5000, 1)

    asyncio.run(main())


def check_a_loop_without_sleep_reaches_its_deadline():
    t0 = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), t0) < 5:
        pass


def check_the_rtc_starts_in_2000_until_set():
    assert time.gmtime(0)[:6] == (2000, 1, 1, 0, 0, 0)
    assert time.gmtime()[0] == 2000
    for date in ((2000, 1, 1, 0, 0, 0), (2024, 2, 29, 23, 59, 58), (2026, 11, 22, 13, 0, 1), (2100, 3, 1, 0, 0, 0)):
        assert time.gmtime(time.mktime(date + (0, 0)))[:6] == date, date
    rtc = machine.RTC()
    kept = rtc.datetime()
    rtc.datetime((2026, 11, 22, 0, 12, 30, 0, 0))
    time.sleep(61)
    assert time.gmtime()[:6] == (2026, 11, 22, 12, 31, 1)
    assert machine.RTC().datetime()[4:7] == (12, 31, 1)
    assert time.time_ns() // 1000000000 == time.time()
    rtc.datetime(kept)


def check_timers():
    ticks = []
    t0 = time.ticks_us()
    timer = Timer(-1, mode=Timer.PERIODIC, period=250, callback=lambda t: ticks.append(since(t0)))
    once = Timer(1)
    once.init(mode=Timer.ONE_SHOT, period=600, callback=lambda t: ticks.append(-since(t0)))
    time.sleep_ms(1010)
    timer.deinit()
    time.sleep_ms(1000)
    assert [tick // 10000 for tick in ticks] == [25, 50, -61, 75, 100], ticks
    raises(ValueError, lambda: Timer(-1, callback=print))


def check_events_within_one_transfer_come_in_order():
    order = []
    timers = [Timer(-1), Timer(-1)]
    t0 = time.ticks_us()
    for timer, ms in zip(timers, (9, 5)):
        timer.init(mode=Timer.ONE_SHOT, period=ms, callback=lambda t: order.append(since(t0) // 1000), hard=True)
    i2c().readfrom_mem(106, 0x78, 500)  # 11 ms
    assert order == [5, 9], order


def check_pins_and_edges():
    out = Pin(30, Pin.OUT, value=0)
    seen = []
    Pin(30, Pin.IN).irq(lambda pin: seen.append(pin.value()), Pin.IRQ_RISING)
    for level in (1, 0, 1, 1, 0):
        out(level)
    assert seen == [1, 1], seen
    Pin(30).irq(None)
    out.on()
    assert seen == [1, 1] and out.value() == 1
    assert Pin(31, Pin.IN, Pin.PULL_UP).value() == 1


def check_a_full_scheduler_drops_soft_interrupts():
    out = Pin(33, Pin.OUT, value=0)
    seen = []
    hard = []
    Pin(33).irq(lambda pin: seen.append(1), Pin.IRQ_RISING)

    def flood(_):  # the scheduler is locked while it runs this
        for _ in range(20):
            out.on()
            out.off()

    micropython.schedule(flood, None)
    time.sleep_ms(1)
    assert 0 < len(seen) < 20, len(seen)
    Pin(33).irq(lambda pin: hard.append(1), Pin.IRQ_RISING, hard=True)
    micropython.schedule(flood, None)
    time.sleep_ms(1)
    assert len(hard) == 20


def check_i2c_finds_the_chip_and_takes_bit_time():
    bus = i2c()
    assert bus.scan() == [106]
    t0 = time.ticks_us()
    buf = bytearray(97)
    bus.readfrom_mem_into(106, 0x78, buf)
    near(since(t0), 100 * 9 * 10 // 4, 15)
    assert bus.readfrom_mem(106, 0x0F, 1) == b"\x6c"
    assert bus.writeto(106, b"\x0f") == 1
    assert bus.readfrom(106, 1) == b"\x6c"
    assert machine.SoftI2C(scl=Pin(1), sda=Pin(2)).readfrom_mem(106, 0x0F, 1) == b"\x6c"


def check_i2c_errors():
    bus = i2c()
    assert raises(OSError, lambda: bus.readfrom_mem(107, 0x0F, 1)).errno == errno.ENODEV
    assert raises(OSError, lambda: bus.writeto(1, b"")).errno == errno.ENODEV
    raises(ValueError, lambda: I2C(7))


def check_spi_with_chip_select():
    bus = SPI(1, baudrate=8000000, sck=Pin(18), mosi=Pin(23), miso=Pin(19))
    cs = Pin(5, Pin.OUT, value=1)
    both = bytearray(b"\x8f\x00\x00")
    bus.write_readinto(both, both)
    assert both == b"\xff\xff\xff"  # not selected
    cs(0)
    both = bytearray(b"\x8f\x00")
    bus.write_readinto(both, both)
    cs(1)
    assert both[1] == 0x6C
    cs(0)
    bus.write(b"\x07\x15\x01")
    cs(1)
    cs(0)
    bus.write(b"\x87")
    assert bus.read(2) == b"\x15\x01"  # one transaction, two transfers
    cs(1)
    wrong = SPI(1, baudrate=8000000, polarity=1, phase=0)
    cs(0)
    wrong.write(b"\x8f")
    assert wrong.read(1) == b"\xff"
    cs(1)


def check_the_fifo_interrupt_comes_at_its_time():
    bus = i2c()
    seen = []
    Pin(4, Pin.IN).irq(lambda pin: seen.append(time.ticks_us()), Pin.IRQ_RISING)
    bus.writeto_mem(106, 0x07, b"\x14")  # 20 words
    bus.writeto_mem(106, 0x0D, b"\x08")
    bus.writeto_mem(106, 0x10, b"\x40")
    t0 = time.ticks_us()
    bus.writeto_mem(106, 0x09, b"\x04")
    bus.writeto_mem(106, 0x0A, b"\x06")
    time.sleep(1)
    assert len(seen) == 1
    assert abs(time.ticks_diff(seen[0], t0) - 20 * 9600) < 5, time.ticks_diff(seen[0], t0)
    bus.readfrom_mem(106, 0x78, 7 * 104)
    time.sleep_ms(200)
    assert len(seen) == 2
    bus.writeto_mem(106, 0x12, b"\x01")
    Pin(4).irq(None)


def check_an_interrupt_wakes_asyncio():
    flag = asyncio.ThreadSafeFlag()
    Timer(2).init(mode=Timer.ONE_SHOT, period=300, callback=lambda t: flag.set())

    async def main():
        t0 = time.ticks_us()
        await flag.wait()
        near(since(t0), 300000, 50)

    asyncio.run(main())


def check_i2s_blocks_until_full():
    microphone = mic()
    buf = bytearray(4000)
    t0 = time.ticks_us()
    assert microphone.readinto(buf) == 4000
    near(since(t0), 62500, 10)
    assert raises(OSError, lambda: microphone.readinto(bytearray(6))).errno == errno.EINVAL
    assert raises(OSError, lambda: microphone.write(buf)).errno == errno.EPERM
    raises(ValueError, lambda: mic(bits=24))
    microphone.deinit()


def check_i2s_gives_what_is_there_once_polled():
    microphone = mic()
    poller = select.poll()
    poller.register(microphone, select.POLLIN)
    assert poller.poll(0) == []
    time.sleep_ms(10)
    assert len(poller.poll(0)) == 1
    buf = bytearray(4000)
    assert microphone.readinto(buf) == 160 * 4
    assert microphone.readinto(buf) == 0
    poller.unregister(microphone)


def check_i2s_drops_the_oldest():
    for microphone, frame_bytes in ((mic(), 4), (mic(bits=16, format=I2S.STEREO), 4), (mic(bits=16), 2)):
        microphone.ioctl(3, 1)
        time.sleep_ms(500)
        buf = bytearray(9000)
        assert microphone.readinto(buf) == 1000 * frame_bytes
    late = mic()
    late.ioctl(3, 1)
    time.sleep_ms(500)  # 8000 frames, 1000 of them kept
    late.readinto(buf)
    reference = mic()
    same = bytearray(4)
    for _ in range(7001):
        reference.readinto(same)
    assert buf[:4] == same


def check_i2s_with_a_handler():
    microphone = mic()
    filled = []
    t0 = time.ticks_us()
    microphone.irq(lambda i2s: filled.append(since(t0)))
    buf = bytearray(4 * 1600)  # more than ibuf holds
    assert microphone.readinto(buf) == 6400
    assert since(t0) < 100
    time.sleep_ms(99)
    assert filled == []
    time.sleep_ms(2)
    assert len(filled) == 1
    near(filled[0], 100000, 20)
    plain = mic()
    expected = bytearray(6400)
    plain.readinto(expected)
    assert buf == expected


def check_i2s_shift():
    buf = bytearray(b"\x01\x00\xff\xff\x00\x40")
    I2S.shift(buf=buf, bits=16, shift=1)
    assert buf == b"\x02\x00\xfe\xff\x00\x80", buf
    I2S.shift(buf=buf, bits=16, shift=-1)
    assert buf == b"\x01\x00\xff\xff\x00\xc0", buf


def check_i2s_streams_with_asyncio():
    microphone = mic()

    async def main():
        reader = asyncio.StreamReader(microphone)
        buf = bytearray(64)
        got = 0
        t0 = time.ticks_us()
        while got < 16000:
            got += await reader.readinto(buf)
        near(since(t0), 250000, 10000)

    asyncio.run(main())


def check_the_sampling_calls_allocate_nothing():
    bus = i2c()
    microphone = mic()
    microphone.ioctl(3, 1)
    bus.writeto_mem(106, 0x10, b"\x44\x44")
    bus.writeto_mem(106, 0x09, b"\x44\x06")
    time.sleep_ms(100)
    buf = bytearray(210)
    sound = bytearray(1024)
    micropython.heap_lock()
    try:
        time.ticks_us()
        time.ticks_ms()
        bus.readfrom_mem_into(106, 0x3A, buf)
        bus.readfrom_mem_into(106, 0x78, buf)
        microphone.readinto(sound)
    finally:
        micropython.heap_unlock()
    bus.writeto_mem(106, 0x12, b"\x01")


def check_files_are_on_the_flash_only():
    with open("/written.txt", "w") as file:
        file.write("x")
    import os

    assert sorted(os.listdir("/")) == ["program.py", "written.txt"], os.listdir("/")
    raises(OSError, lambda: open("/proc/version"))


def check_machine_says_who_it_is():
    assert machine.reset_cause() == machine.PWRON_RESET
    assert len(machine.unique_id()) == 6
    assert machine.freq() > 0
    t0 = time.ticks_us()
    machine.lightsleep(500)
    near(since(t0), 500000, 5)
    machine.idle()


def check_wlan_connects():
    wlan = network.WLAN(network.STA_IF)
    raises(OSError, lambda: wlan.connect("home", "secret"))
    wlan.active(True)
    wlan.connect("home", "secret")
    assert not wlan.isconnected()
    time.sleep(1)
    assert wlan.isconnected() and wlan.ifconfig()[0] != "0.0.0.0"
    wlan.disconnect()
    assert wlan.status() == network.STAT_IDLE


def run():
    for name, check in sorted(globals().items()):
        if name.startswith("check_"):
            text = ""
            try:
                check()
            except Exception as error:
                trace = io.StringIO()
                sys.print_exception(error, trace)
                text = trace.getvalue()
            print(json.dumps({"check": name, "error": text}))
