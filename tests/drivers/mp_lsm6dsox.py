"""The LSM6DSOX driver against a small model of the chip: every frame once, losses counted and placed, no heap."""

import random

import micropython
from fake_lsm6dsox import WORDS, Broken, FakeLsm6dsox, FakeSpi
from lsm6dsox_case import Reader

from drivers.lsm6dsox import LSM6DSOX

BOTH = ("accel", "gyro")


def start(measure=BOTH, rate_hz=104, spi=False, first=0, **chip_settings):
    chip = FakeLsm6dsox(**chip_settings)
    bus = FakeSpi(chip) if spi else chip
    driver = LSM6DSOX(bus, cs=bus.cs if spi else None, rate_hz=rate_hz, measure=measure)
    driver.start()
    return chip, driver, Reader(chip, driver, first)


def record(chip, reader, frames, most=250):
    """Let the chip make ``frames`` frames, read at random moments in random portions, never too late."""
    period = chip._period_us()
    words = len(reader.driver.channels) // 3
    made = 0
    while made < frames:
        n = random.randrange(1, most)
        if chip.level + words * (n + 8) > WORDS:
            reader.drain()
        chip.advance(int(n * period))
        made += n
        reader.driver.available()
        reader.read(random.choice((1, 3, 32, 100, 600)))


def finish(chip, reader):
    """Read what is left, time standing still: the account must close with the chip's own number of frames."""
    chip.byte_us = 0
    reader.drain()
    produced = reader.balance()
    assert produced == chip.frames_made(), (produced, chip.frames_made())


def raises(kind, function, *args, **settings):
    try:
        function(*args, **settings)
    except kind as error:
        return str(error)
    raise AssertionError("nothing was raised")


def test_every_frame_once_on_each_bus_and_selection():
    random.seed(10)
    for spi in (False, True):
        for measure in (BOTH, ("accel",), ("gyro",)):
            for accel_first in (False, True):
                chip, driver, reader = start(measure, spi=spi, accel_first=accel_first, rate_ratio=1.03)
                record(chip, reader, 1500)
                finish(chip, reader)
                assert driver.overruns == driver.lost == 0 and driver.lost_exact


def test_every_rate():
    random.seed(11)
    for rate in (12.5, 26, 52, 104, 208, 416, 417, 833, 1660, 1666, 1667, 3330, 3333, 6660, 6667):
        chip, driver, reader = start(("accel",), rate_hz=rate, byte_us=2)
        code = chip.registers[0x10] >> 4
        assert abs(6667 / (1 << (10 - code)) / rate - 1) < 0.05 and abs(driver.rate_hz / rate - 1) < 0.005
        assert chip.registers[0x09] == code
        record(chip, reader, 600)
        finish(chip, reader)
        assert driver.overruns == 0, rate


def test_ranges_and_scales():
    for g, code, scale in ((2, 0, 0.061), (4, 2, 0.122), (8, 3, 0.244), (16, 1, 0.488)):
        chip = FakeLsm6dsox()
        driver = LSM6DSOX(chip, accel_range_g=g, measure=("accel",))
        driver.start()
        assert chip.registers[0x10] == 4 << 4 | code << 2 and chip.registers[0x11] == 0
        assert driver.channels == ("ax", "ay", "az") and driver.units == ("g",) * 3
        assert all(abs(s - scale / 1000) < 1e-7 for s in driver.scale)
    for dps, code, scale in ((125, 2, 4.375), (250, 0, 8.75), (500, 4, 17.5), (1000, 8, 35), (2000, 12, 70)):
        chip = FakeLsm6dsox()
        driver = LSM6DSOX(chip, gyro_range_dps=dps, measure=("gyro",))
        driver.start()
        assert chip.registers[0x11] == 4 << 4 | code and chip.registers[0x10] == 0
        assert driver.channels == ("gx", "gy", "gz") and driver.units == ("deg/s",) * 3
        assert all(abs(s - scale / 1000) < 1e-6 for s in driver.scale)


def test_settings_the_chip_lacks():
    chip = FakeLsm6dsox()
    text = raises(ValueError, LSM6DSOX, chip, rate_hz=100)
    assert "rate_hz 100" in text and "12.5, 26, 52, 104, 208, 417, 833, 1667, 3333, 6667" in text
    assert "2, 4, 8, 16" in raises(ValueError, LSM6DSOX, chip, accel_range_g=6)
    assert "125, 250, 500, 1000, 2000" in raises(ValueError, LSM6DSOX, chip, gyro_range_dps=300)
    assert "accel, gyro" in raises(ValueError, LSM6DSOX, chip, measure=("accel", "mag"))
    assert "accel, gyro" in raises(ValueError, LSM6DSOX, chip, measure=())
    assert "watermark" in raises(ValueError, LSM6DSOX, chip, int_pin=4, watermark=256)


def test_wrong_or_missing_chip():
    chip = FakeLsm6dsox()
    chip.registers[0x0F] = 0x6A
    text = raises(OSError, LSM6DSOX, chip)
    for part in ("FakeI2C(7)", "address 0x6A", "register 0x0F", "0x6C", "reads 0x6A"):
        assert part in text, text
    text = raises(OSError, LSM6DSOX, FakeLsm6dsox(), address=0x6B)
    for part in ("FakeI2C(7)", "address 0x6B", "register 0x0F", "read failed"):
        assert part in text, text
    bus = FakeSpi(chip)
    text = raises(OSError, LSM6DSOX, bus, cs=bus.cs)
    for part in ("FakeSPI(3)", "cs ", "register 0x0F", "0x6C"):
        assert part in text, text
    raises(ValueError, LSM6DSOX, chip, rate_hz=100)


def test_chip_that_boots_late():
    chip = FakeLsm6dsox()
    failures = [2]

    def before(register, size):
        if failures[0]:
            failures[0] -= 1
            raise Broken(5)

    chip.before = before
    LSM6DSOX(chip)
    assert failures[0] == 0


def test_interrupt_pin_gets_the_watermark():
    chip = FakeLsm6dsox()
    driver = LSM6DSOX(chip, int_pin=4, watermark=140)
    driver.start()
    assert chip.registers[0x07] == 280 & 0xFF and chip.registers[0x08] == 1 and chip.registers[0x0D] == 0x08
    chip = FakeLsm6dsox()
    LSM6DSOX(chip).start()
    assert chip.registers[0x0D] == 0


def test_halves_before_the_gyroscope_runs_are_no_frames():
    random.seed(12)
    chip, driver, reader = start(gyro_delay_slots=8, first=8)
    record(chip, reader, 1000)
    chip.advance(4000000)
    finish(chip, reader)
    assert chip.first_frame_slot == 8 and driver.overruns == 1 and driver.lost_exact


def test_overruns_are_counted_and_placed_exactly():
    random.seed(13)
    for measure in (BOTH, ("accel",)):
        for ratio in (0.93, 1.0, 1.07):
            chip, driver, reader = start(measure, rate_ratio=ratio)
            record(chip, reader, 2500)
            for k in range(12):
                reader.drain()
                level = random.randrange(400)  # some frames are waiting when the pause begins
                chip.advance(int(level * chip._period_us() / 2))
                if k % 2:
                    reader.read(random.randrange(1, 40))
                before = driver.overruns
                chip.advance(int((520 + random.randrange(150)) * chip._period_us()))
                if k % 3:
                    driver.available()
                    assert driver.overruns == before + 1
                reader.drain(random.choice((7, 32, 600)))
                assert driver.overruns == before + 1, (k, driver.overruns, before)
                assert driver.lost_exact
                record(chip, reader, 900, most=120)
            finish(chip, reader)
            assert len(reader.gaps) == 12, (measure, ratio, reader.gaps)


def test_stall_between_status_and_burst_and_behind_the_burst():
    random.seed(14)
    for stalled, depth in ((0x78, 512), (0x3A, 512), (0x78, 511)):  # with 511 words, one overrun cuts a slot in two
        chip, driver, reader = start(depth=depth)
        record(chip, reader, 2000)
        for _ in range(20):
            stall = [1]

            def before(register, size, stall=stall, chip=chip, stalled=stalled):
                if register == stalled and stall[0] and chip.level:
                    stall[0] = 0
                    chip.advance(int((300 + random.randrange(400)) * chip._period_us()))

            chip.advance(int(random.randrange(20, 200) * chip._period_us()))
            driver.available()
            chip.before = before
            reader.read(32)
            chip.before = None
            reader.drain()
            record(chip, reader, 800, most=120)
        finish(chip, reader)
        assert driver.overruns >= 20 and driver.lost_exact, stalled


def test_halves_of_different_slots_are_never_joined():
    """An overrun cuts a slot (511 words), a half waits for the next burst, a second overrun takes its other half."""
    for extra in range(4):  # one of them brings a half with the same slot counter
        chip, driver, reader = start(depth=511)
        random.seed(24)
        record(chip, reader, 2000)
        reader.drain()
        chip.advance(int(400.5 * chip._period_us()))
        bursts = [0]

        def before(register, size, chip=chip, bursts=bursts, extra=extra):
            if register == 0x78:
                bursts[0] += 1
                if bursts[0] == 2:
                    chip.advance((300 + extra) * chip._period_us())

        chip.before = before
        driver.available()
        reader.read(600)
        chip.before = None
        reader.drain()
        finish(chip, reader)
        assert bursts[0] == 2 and driver.overruns == 2 and driver.lost_exact


def test_overflow_within_bursts():
    """6667 Hz with both sensors is more than a 400 kHz I2C bus carries: half of the frames go while bursts are read.

    The account closes. How many were lost is an estimate then, or says that it is none.
    """
    for byte_us in (14, 22):
        chip, driver, reader = start(rate_hz=6667, byte_us=byte_us)
        got = 0
        for _ in range(60):
            driver.available()
            got += driver.readinto(reader.buffer)
        chip.byte_us = 0
        while driver.available():
            got += driver.readinto(reader.buffer)
        assert driver.overruns > 0 and driver.lost > 50
        assert got + driver.lost == driver.produced()
        assert abs(driver.produced() - chip.frames_made()) <= (0 if driver.lost_exact else chip.frames_made() // 100)


def test_bus_failures_lose_nothing_the_chip_holds():
    random.seed(16)
    chip, driver, reader = start()
    record(chip, reader, 500)
    reader.drain()
    failing = [0]

    def before(register, size):
        if random.random() < 0.2:
            failing[0] += 1
            raise Broken(5)

    for _ in range(300):
        chip.advance(int(random.randrange(60) * chip._period_us()))
        chip.before = before
        try:
            driver.available()
            reader.read(random.choice((1, 20, 64, 300)))
        except OSError as error:
            assert "register 0x" in str(error)
        chip.before = None
        if chip.level > 300:
            try:
                reader.drain()
            except OSError:
                reader.drain()
    try:
        reader.drain()
    except OSError:
        reader.drain()
    assert failing[0] > 50 and driver.lost == 0 and driver.overruns == 0 and driver.lost_exact
    finish(chip, reader)


def test_a_broken_burst_that_took_words_is_a_counted_loss():
    random.seed(17)
    for measure in (BOTH, ("gyro",)):
        chip, driver, reader = start(measure)
        record(chip, reader, 1500)
        reader.drain()
        for _ in range(60):
            chip.advance(int(random.randrange(40, 120) * chip._period_us()))
            driver.available()
            reader.read(random.randrange(1, 10))
            chip.cut_after = random.randrange(0, 7 * 30)
            try:
                reader.drain()
            except OSError:
                pass
            chip.cut_after = -1
            reader.drain()
        assert driver.lost > 100 and driver.overruns == 0 and driver.lost_exact
        finish(chip, reader)


def test_frames_in_hand_come_before_the_bad_news():
    chip, driver, reader = start()
    chip.byte_us = 0
    chip.advance(int(100.5 * chip._period_us()))
    assert driver.available() == 100
    chip.cut_after = -1
    bursts = [0]

    def before(register, size):
        if register == 0x78:
            bursts[0] += 1
            if bursts[0] == 2:
                raise Broken(5)

    chip.before = before
    assert reader.read(100) == 32
    raises(OSError, driver.available)
    assert reader.read(100) == 68 and driver.lost == 0


def test_time_stamp_wraps():
    random.seed(18)
    chip = FakeLsm6dsox()
    chip.timestamp_base = (1 << 32) - 400000
    driver = LSM6DSOX(chip)
    driver.start()
    reader = Reader(chip, driver)
    for _ in range(30):
        record(chip, reader, 150, most=100)
        chip.advance(3000000)
        finish(chip, reader)
    assert driver.overruns == 30
    chip._latch_timestamp()
    assert chip.registers[0x43] == 0  # it did wrap


def test_without_time_stamp_the_count_stays_sane_and_says_so():
    random.seed(19)
    chip, driver, reader = start(timestamp=False)
    record(chip, reader, 1000)
    assert driver.lost_exact
    chip.advance(int(300 * chip._period_us()))
    driver.available()
    assert driver.overruns == 1
    n = reader.driver.readinto(reader.buffer)
    assert n > 0 and not driver.lost_exact
    assert 0 <= driver.lost < 300 and driver.produced() >= reader.got + n


def test_without_slot_counter_the_count_is_near_and_says_so():
    random.seed(20)
    chip, driver, reader = start(counter=False)
    record(chip, reader, 2000)
    finish(chip, reader)
    assert driver.lost_exact
    chip.advance(int(400 * chip._period_us()))
    driver.available()
    total = 0
    while True:
        n = driver.readinto(reader.buffer)
        if not n:
            break
        total += n
    assert not driver.lost_exact and driver.overruns == 1
    assert abs(reader.got + total + driver.lost - chip.frames_made()) <= 1


def test_disturbed_level_is_an_error():
    chip, driver, reader = start()
    chip.level = 900
    assert "900" in raises(OSError, driver.available)


def test_restart_begins_anew():
    random.seed(21)
    chip, driver, reader = start()
    record(chip, reader, 300)
    chip.advance(9000000)
    reader.drain()
    driver.stop()
    chip.advance(500000)
    assert driver.available() == 0 and chip.registers[0x10] == chip.registers[0x11] == 0
    chip.power_on()  # it even lost its supply meanwhile
    driver.start()
    assert driver.lost == driver.overruns == driver.produced() == 0 and driver.lost_exact
    reader = Reader(chip, driver)
    record(chip, reader, 300)
    finish(chip, reader)
    driver.close()


def test_what_comes_while_it_reads_waits_for_the_next_call():
    """Else a slow bus would be kept busy, word by word, until the whole buffer is full."""
    chip, driver, reader = start(("accel",), rate_hz=1667)
    chip.advance(int(100.5 * chip._period_us()))
    reads = chip.reads
    assert 100 <= reader.read(600) <= 140
    assert chip.reads - reads < 30
    finish(chip, reader)


def test_no_room_no_frames():
    chip, driver, reader = start()
    chip.advance(1000000)
    assert driver.readinto(bytearray(11)) == 0 and driver.readinto(bytearray(0)) == 0
    finish(chip, reader)


def test_available_and_readinto_need_no_heap():
    random.seed(22)
    for spi in (False, True):
        for measure in (BOTH, ("accel",)):
            chip, driver, reader = start(measure, spi=spi)
            record(chip, reader, 300)
            reader.drain()
            chip.timestamp_base = 0xC0000000
            chip.byte_us = 0
            buffer = memoryview(reader.buffer)[: 40 * driver.frame_bytes]
            for pause in (100, 150, 700, 90):  # the third one overruns
                chip.advance(int(pause * chip._period_us()))
                chip._latch_timestamp()
                chip._latch_timestamp = lambda: None
                total = 0
                micropython.heap_lock()
                try:
                    waiting = driver.available()
                    driver.produced()
                    while total < waiting:
                        n = driver.readinto(buffer)
                        if not n:
                            break
                        total += n
                finally:
                    micropython.heap_unlock()
                del chip._latch_timestamp
                assert total > 80
            assert driver.overruns == 1


def test_a_chip_that_lost_its_supply_is_set_up_anew():
    """What it did not measure meanwhile is a loss, estimated with the board's clock."""
    import drivers.lsm6dsox as module

    random.seed(23)
    real = module.ticks_us
    for register in (0x3A, 0x78):  # it goes when this register is about to be read: with a burst in hand, or without
        chip = FakeLsm6dsox()
        module.ticks_us = lambda chip=chip: chip.now_us & 0x3FFFFFFF
        try:
            driver = LSM6DSOX(chip)
            driver.start()
            reader = Reader(chip, driver)
            record(chip, reader, 800)
            chip.advance(int(20 * chip._period_us()))
            reader.drain()
            period = chip._period_us()
            made = chip.frames_made()
            chip.advance(int(40.5 * period))
            driver.available()

            def before(at, size, chip=chip, register=register):
                if at == register:
                    chip.power_on()
                if chip.started_us is None and chip.address == 0x6A:
                    chip.address = 0  # gone

            chip.before = before
            raises(OSError, driver.readinto, reader.buffer)
            chip.before = None
            raises(OSError, driver.available)
            chip.now_us += 2000000
            chip.address = 0x6A
            chip.power_on()
            got = reader.got
            driver.available()  # ends what was under way
            driver.available()  # sets it up
            chip.advance(int(100.5 * period))
            while driver.available():
                n = driver.readinto(reader.buffer)
                if not n:
                    break
                got += n
            truth = made + 40 + 2000000 / period + 100
            assert abs(driver.produced() - truth) <= 6, (driver.produced(), truth)
            assert got + driver.lost == driver.produced() and not driver.lost_exact
            assert driver.lost > 200 and driver.overruns == 0, driver.lost
        finally:
            module.ticks_us = real
