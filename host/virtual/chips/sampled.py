"""What the models of chips with one sampling grid have in common: time, rows of the source, FIFO memory, interrupts."""

from .chip import Chip

_FRACTION = 20  # time is kept in microseconds and 2**-20 of them: small ints on a 32-bit port too
_ONE = 1 << _FRACTION
_SKIP = 4096  # samples behind which a FIFO's content can only be younger


class Ring:
    """A FIFO memory of `size` bytes. The oldest bytes go when it is full."""

    def __init__(self, size):
        self._bytes = bytearray(size)
        self.size = size
        self.clear()

    def clear(self):
        """Empty it."""
        self._first = 0
        self.level = 0

    def put(self, value):
        """Append a byte."""
        at = self._first + self.level
        size = self.size
        self._bytes[at if at < size else at - size] = value
        if self.level < size:
            self.level += 1
        else:
            self._first = self._first + 1 if self._first + 1 < size else 0

    def put_word(self, value, big_endian):
        """Append an int16."""
        high = value >> 8 & 0xFF
        low = value & 0xFF
        self.put(high if big_endian else low)
        self.put(low if big_endian else high)

    def peek(self, i):
        """The byte `i` places behind the oldest; i < level."""
        at = self._first + i
        return self._bytes[at if at < self.size else at - self.size]

    def drop(self, n):
        """Forget the `n` oldest bytes."""
        self._first = (self._first + n) % self.size
        self.level -= n


class SampledChip(Chip):
    """A chip whose sensors are sampled together, `rate_ratio` times as fast as it says.

    `source`: what it measures (chips.source). `int1`: its interrupt pin, an object with `set(level)` and
    `plan(t_us)`: call `look()` at that time (-1 = no need); or None. A subclass has `_read(register)`,
    `_write(register, value)`, `_next(register)`, `_sample()` (take in one sample), `_skip(n)` (n samples that nobody
    will ever see), and for the pin `_pin()` -> is it active, `_active_level()`, `_samples_to_event()` -> how many more
    samples until an enabled interrupt comes, 0 = none will; it sets `_event_us` when one came. Nothing allocates when
    a register is read, neither on a 64-bit nor on a 32-bit port (where the clock must be below 2**30 us).
    """

    PULSE_US = 50

    def __init__(self, clock, source, address, cs, rate_ratio, faults, int1):
        super().__init__(clock, address, cs, faults)
        self.source = source
        self._by_time = getattr(source, "rate_hz", None)
        self.registers = bytearray(128)
        self._faults = faults or {}
        self._rate_ratio = rate_ratio
        self._int1 = int1

    def power_on(self):
        """Everything off. A subclass sets its registers and calls this."""
        self._step_us = 0  # 0 = no samples
        self._step_fraction = 0
        self._due_us = 0
        self._due_fraction = 0
        self.row = 0  # of the next sample
        self.samples = 0
        self.untouched = True  # nobody has read the FIFO since the sensors were switched on
        self._ready_us = 0  # until then the chip hears nothing
        self._event_us = -1000000

    # Time

    def set_period(self, nominal_us):
        """Sample every so many nominal microseconds from now on; 0 = not at all. The same period goes on as it was."""
        step = int(nominal_us / self._rate_ratio * _ONE)
        us = step >> _FRACTION
        fraction = step & (_ONE - 1)
        if us == self._step_us and fraction == self._step_fraction:
            return
        self._step_us = us
        self._step_fraction = fraction
        self._due_us = self.clock.now() + us
        self._due_fraction = fraction

    def settle(self):
        """Take in the samples up to now."""
        now = self.clock.now()
        if not self._step_us:
            return
        if now - self._due_us > 2 * _SKIP * self._step_us:
            n = (now - self._due_us) // (self._step_us + 1) - _SKIP
            if n > 0:
                self._skip(n)
                self.row += n
                self.samples += n
                self._move_due(n)
        while self._due_us <= now:
            if self._by_time:
                self.row = self.source.row_at(self._due_us)
            self._sample()
            self.row += 1
            self.samples += 1
            self._move_due(1)

    def _move_due(self, n):
        fraction = self._due_fraction + n * self._step_fraction
        self._due_us += n * self._step_us + (fraction >> _FRACTION)
        self._due_fraction = fraction & (_ONE - 1)

    def restart_rows(self):
        """The FIFO begins anew. The next sample is row 0 of the source, unless the recording has begun before."""
        if self.untouched:
            self.row = 0

    # Access over the bus; both return the register after the last one

    def read(self, register, buf, start, n):
        """Fill buf[start:start+n] from `register` on."""
        self.settle()
        end = start + n
        while start < end:
            buf[start] = self._read(register)
            register = self._next(register)
            start += 1
        self.pointer = register
        self.update_int1()
        return register

    def write(self, register, buf, start, n):
        """Write buf[start:start+n] to `register` on."""
        end = start + n
        while start < end:
            self.settle()
            if self.clock.now() >= self._ready_us:
                self._write(register, buf[start])
            register = self._next(register)
            start += 1
        self.pointer = register
        self.update_int1()
        return register

    # Interrupt pin

    def look(self):
        """The time that was planned has come: take in the new samples, set the pin."""
        self.settle()
        self.update_int1()

    def update_int1(self):
        """Set the pin, and say when to look again."""
        if self._int1 is None:
            return
        active = self._pin()
        self._int1.set(self._active_level() if active else 1 - self._active_level())
        n = self._samples_to_event()
        due = -1
        if n and self._step_us:
            fraction = self._due_fraction + (n - 1) * self._step_fraction
            due = self._due_us + (n - 1) * self._step_us + (fraction >> _FRACTION)
        pulse_end = self._event_us + self.PULSE_US
        if pulse_end > self.clock.now() and (due < 0 or pulse_end < due):
            due = pulse_end
        self._int1.plan(due)

    def _in_pulse(self):
        return self.clock.now() < self._event_us + self.PULSE_US
