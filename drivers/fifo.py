"""What the drivers of FIFO sensors have in common: bursts, frames in hand, and the account of what was made and lost.

For chips whose FIFO holds packets of one size and which say how many wait and whether it overflowed.
"""

from array import array

from drivers.kernels import copy, gather
from drivers.timing import Meter, ticks_diff, ticks_us

_BURST_POWER = 4
_BURST = 1 << _BURST_POWER
_MOST_MARKS = 2 * _BURST + 4
_OLD = 256  # frames after which a reference is replaced by any other
_PIECE = 64  # frames by which the clock is measured at a time
STEADY = 16  # statuses in a row after which the host's clock is believed


def choose(chip, key, value, table):
    """-> the entry of ``table`` for a setting, or ValueError listing the values that there are."""
    if value not in table:
        raise ValueError(f"{key} {value}: the {chip} has {', '.join(str(v) for v in sorted(table))}")
    return table[value]


def measured(chip, measure, has=("accel", "gyro")):
    """-> (accelerometer wanted, gyroscope wanted), or ValueError."""
    if not measure or len(set(measure)) != len(measure) or any(name not in has for name in measure):
        raise ValueError(f"measure {measure}: the {chip} has {', '.join(has)}")
    return "accel" in measure, "gyro" in measure


def swapped(at, words):
    """-> the order of bytes that makes little-endian words of ``words`` big-endian ones from offset ``at`` on."""
    return bytes(at + (i ^ 1) for i in range(2 * words))


class FifoDriver:
    """The driver contract, less what only a chip knows. A chip's class calls ``_prepare`` and provides

    - ``_set_up()``: prove, reset and configure the chip, let it run with an empty FIFO; ``_halt()``: switch it off;
    - ``_status()``: read level and flags in one transaction; set ``_level`` (whole packets waiting), ``_flagged``
      (overflow seen) and, where the level counts bytes, ``_rest`` (bytes beyond whole packets);
    - ``_DATA``: the register that packets are read from;
    - ``_flush()``: empty the FIFO; with ``_FLUSHES`` = True an overflow breaks packets, and the FIFO starts anew;
    - ``_inspect(n)`` -> packets kept of a burst of ``n``. May set ``_skewed`` (the FIFO is out of step), and, with
      ``_stamped`` = True, notes in ``_marks`` what is missing where, ``_ahead`` included.

    How a loss is sized without a clock in the chip: the chip says *that* frames are missing, the host's clock, held
    against the chip's frames for as long as nothing was lost, says how many. ``lost_exact`` then turns False. A clock
    alone never makes a loss. A FIFO that overwrites whole packets loses the oldest: the gap lies in front of the
    first packet read behind the overflow.
    """

    _NAME = ""
    _DATA = 0
    _FLUSHES = False
    _LATCHED = True  # the overflow flag stays until it was read

    def _prepare(self, registers, rate_hz, accel_scale, gyro_scale, packet_bytes, fifo_frames, order):
        """Attributes and buffers. A scale of 0: not measured. ``order``: which byte of a packet each byte of a frame
        is; None: a packet is a frame."""
        self._registers = registers
        self.rate_hz = rate_hz
        self.channels = self.units = self.scale = ()
        if accel_scale:
            self.channels = ("ax", "ay", "az")
            self.units = ("g",) * 3
            self.scale = (accel_scale,) * 3
        if gyro_scale:
            self.channels += ("gx", "gy", "gz")
            self.units += ("deg/s",) * 3
            self.scale += (gyro_scale,) * 3
        self.frame_bytes = 2 * len(self.channels)
        self.fifo_frames = fifo_frames
        self._packet = packet_bytes
        self._order = order
        self._raw = bytearray(packet_bytes * _BURST)
        whole = memoryview(self._raw)
        self._bursts = tuple(whole[: packet_bytes << power] for power in range(_BURST_POWER + 1))
        self._marks = array("i", [0] * _MOST_MARKS)
        self._clock = Meter(64000000, round(64 * rate_hz))
        self._half_us = round(500000 / rate_hz)
        self._floor_us = round(625000 / rate_hz)  # taken off, rounding becomes rounding down, and 1/8 for safety
        self._zero()

    def start(self):
        """Begin with a chip set up anew, an empty FIFO and all counters at 0."""
        self._set_up()
        self._zero()

    def stop(self):
        """Sensors and FIFO off. What the FIFO held is gone; counters, and frames that were read already, stay."""
        self._halt()
        self._level = 0

    def close(self):
        """Leave the chip stopped."""
        self.stop()

    def available(self):
        """-> frames waiting; asks the chip."""
        self._raise_kept()
        if self._burst:
            self._settle()
        else:
            self._ask()
            self._note_reference()
        waiting = self._level
        self._produced = self._counted + waiting
        if self._doubt:
            self._produced = max(self._produced, self._made(self._us))
        return self._filled - self._next + waiting

    def produced(self):
        """-> frames the sensor made since start(), at the last available(); an estimate while a loss is not
        settled."""
        return max(self._produced, self._handed)

    @property
    def held(self):
        """Of the frames waiting, those that are here already: INT rises when ``watermark`` more wait in the chip."""
        return self._filled - self._next

    def readinto(self, buf):
        """Fill ``buf`` with whole frames -> how many. Stops in front of a loss; the next call adds it to ``lost``."""
        self._raise_kept()
        size = self.frame_bytes
        room = len(buf) // size
        done = 0
        while done < room:
            if self._next == self._filled:
                try:
                    if self._order is None and not done and not self._burst and 0 < room <= self._level:
                        if room * size == len(buf) and not self._overrun:
                            return self._read_straight(buf, room)
                    if not self._fetch():
                        break
                except OSError as error:
                    if not done:
                        raise
                    self._error = error  # the frames at hand are good: first these, then the news
                    break
                continue
            end = self._filled
            if self._mark < self._found:
                end = self._marks[2 * self._mark]
                if end == self._next:
                    if done:
                        break
                    self._lose(self._marks[2 * self._mark + 1])
                    self._mark += 1
                    continue
            n = min(room - done, end - self._next)
            if self._order is None:
                copy(buf, done * size, self._raw, self._next * size, n * size)
            else:
                gather(buf, done * size, self._raw, self._next * self._packet, n, self._packet, self._order)
            self._next += n
            self._handed += n
            done += n
        return done

    def _zero(self):
        self.lost = 0
        self.overruns = 0
        self.lost_exact = True
        self._counted = 0  # packets kept, and frames known to be lost
        self._handed = 0  # frames handed out, and frames lost in front of them
        self._produced = 0
        self._level = 0  # packets in the chip at the last status, less those read since
        self._us = ticks_us()  # host time of that status
        self._flagged = False  # that status showed an overflow
        self._rest = 0  # ... and bytes of one more
        self._unsure = False  # a transfer broke off, and no packet showed yet that the FIFO is in step
        self._torn = False  # ... the beginning of which is the end of the last burst
        self._skewed = False  # the FIFO is out of step
        self._stamped = False  # packets carry time stamps, which show what is missing
        self._overrun = False  # an overflow was counted and its loss is not settled yet
        self._doubt = False  # frames may be missing in front of the next packet
        self._ahead = 0  # frames known to be missing in front of the next packet
        self._dropped = 0  # packets read and dropped since the overflow
        self._broken = False  # a transfer broke off, nobody knows what it swallowed ...
        self._broken_level = 0  # ... of so many packets
        self._burst = 0  # packets read, waiting for the status behind them
        self._filled = 0  # packets in hand ...
        self._next = 0  # ... and the first of them not handed out
        self._found = 0  # marks: (packet, frames lost in front of it) ...
        self._mark = 0  # ... and the first of them not handed out
        self._error = None
        self._clock.reset()
        self._reference_us = self._us
        self._reference_frames = 0
        self._lossless = False  # nothing was lost since the reference
        self._steady = 0  # statuses in a row that agree with the clock

    def _raise_kept(self):
        error = self._error
        if error is not None:
            self._error = None
            raise error

    def _lose(self, n):
        self.lost += n
        self._handed += n

    # Status, burst, status: what the two say about the burst

    def _fetch(self):
        """Read one burst -> False when nothing waits in the chip."""
        if self._burst:
            self._settle()
            return True
        if not self._level or self._skewed:
            self._ask()
            self._note_reference()
            if not self._level:
                return False
        if self._overrun and not self._stamped and self._level >= self.fifo_frames:
            self._drop_oldest()
        power = 0
        while power < _BURST_POWER and 2 << power <= self._level:
            power += 1
        self._take(self._bursts[power], 1 << power)
        self._burst = 1 << power
        self._settle()
        return True

    def _drop_oldest(self):
        """Make room in a FIFO that runs over: what is read while the chip overwrites it is not worth having, and hides
        where the gap ends. It counts as lost."""
        if -4 <= self._made(self._us) - self._counted - self._level <= 0:
            return  # full, yet nothing was lost so far
        self._take(self._bursts[1], 2)
        self._dropped = 2

    def _take(self, view, n):
        """Fill ``view`` with the next ``n`` packets."""
        try:
            self._registers.read_into(self._DATA, view)
        except OSError:
            self._broken = self._unsure = True  # what it swallowed, the next status tells
            self._broken_level = self._level
            self._level = 0
            raise
        self._level -= n

    def _read_straight(self, buf, n):
        """Packets that are frames, right into the caller's buffer -> frames."""
        self._take(buf, n)
        try:
            self._judge(n)
        except OSError as error:
            self._error = error  # what this status would have said, the next one says
            self._counted += n
        else:
            self._count(n)
            self._lose(self._ahead)
            self._ahead = 0
        self._handed += n
        return n

    def _settle(self):
        """Look at a burst with the status behind it, and place what is missing in it."""
        n = self._burst
        self._found = self._mark = self._filled = self._next = 0
        if not self._judge(n):
            return  # flushed with everything that the chip held
        self._burst = 0
        n = self._inspect(n)
        self._count(n)
        self._filled = n
        if n and self._ahead:
            if self._found and self._marks[0] == 0:
                self._marks[1] += self._ahead
            else:
                self._mark_first(self._ahead)
            self._ahead = 0

    def _mark_first(self, lost):
        marks = self._marks
        i = 2 * self._found
        while i:
            i -= 1
            marks[i + 2] = marks[i]
        marks[0] = 0
        marks[1] = lost
        self._found += 1

    def _judge(self, n):
        """Ask for the status behind a burst of ``n``, add what is missing in front of it to ``_ahead`` -> burst good?

        If the FIFO is full again already, it (also) overflowed behind the burst: then the status in front of the
        burst counts, and the doubt is the next burst's.
        """
        level = self._level
        us = self._us
        doubt = self._doubt
        burst = self._burst
        self._ask()
        if self._burst != burst:
            return False
        behind = self._flagged and self._level >= self.fifo_frames
        if not behind:
            unseen = not self._LATCHED and self._level + n >= self.fifo_frames  # it was full when the burst began
            level = self._level
            us = self._us
            if self._doubt or unseen:
                self._size_loss(n + level, us)
        elif doubt:
            self._size_loss(n + level, us)
        self._doubt = self._overrun = behind
        return True

    def _count(self, n):
        self._counted += n
        self._note_reference()

    def _size_loss(self, at_hand, us):
        """Of the frames made until ``us`` so many are ``at_hand``: what else was made is lost. Called in doubt."""
        lost = self._made(us) - self._counted - at_hand
        if lost < -4 - (at_hand >> 3):
            lost = 1  # the chip was full, the clock says it could not be: the clock does not know
        if lost > 0 and not self._overrun:  # the flag was gone when it was read
            self.overruns += 1
        lost = max(lost, self._dropped)
        self._dropped = 0
        if lost > 0:
            self._miss(lost)

    def _miss(self, lost):
        self._ahead += lost
        self._counted += lost
        self.lost_exact = False
        self._lossless = False

    def _inspect(self, n):
        return n

    def _ask(self):
        """Read the status; draw what follows from it."""
        us = self._us
        self._status()
        self._us = ticks_us()
        if self._flagged:
            self._doubt = True
            if not self._overrun:
                self._overrun = True
                self.overruns += 1
        if self._skewed or self._flagged and self._FLUSHES:
            self._start_anew()
        elif self._rest and not self._FLUSHES or self._broken:
            self._torn = not self._broken  # overwritten while it was read
            level = self._level
            self._level = 0  # unless all of it can be read, the FIFO stays out of step, and the next status tells again
            for _ in range(self._rest):  # the rest of a packet whose beginning went astray
                self._registers.read(self._DATA)
            self._level = level
            if self._level >= self._broken_level and not self._rest:
                self._unsure = False  # it seems that nobody answered
            if self._broken and not self._flagged:
                self._weigh(us)
        self._broken = False

    def _weigh(self, us):
        """A transfer broke off: how many packets did it swallow? The level in front of it, at ``us``, and now tell."""
        lost = self._broken_level - self._level
        since = self._since(us)
        if since < 32 * self._half_us:  # what came meanwhile, if that is not too long ago to say
            lost += self._clock.frames_in(max(0, since - self._floor_us))
        if lost > 0 or self._steady >= STEADY:
            lost = max(lost, self._made(self._us, self._half_us >> 1) - self._counted - self._level)
        if lost > 0:
            self._miss(lost)

    def _start_anew(self):
        """Empty a FIFO that is out of step. All that it held, and a burst not judged yet, is lost."""
        least = self._burst + self._level + 1
        self._skewed = True  # should this fail, the next status tries again
        self._flush()
        self._us = ticks_us()
        self._skewed = self._flagged = self._overrun = False
        self._burst = self._level = 0
        self._doubt = self._stamped
        if not self._doubt:
            self._miss(max(least, self._made(self._us) - self._counted))

    def _since(self, us):
        return max(0, ticks_diff(self._us, us))

    def _made(self, us, less_us=0):
        """-> frames made until ``less_us`` in front of ``us``, by the clock."""
        ticks = ticks_diff(us, self._reference_us) - self._half_us - less_us
        return self._reference_frames + self._clock.frames_in(max(0, ticks))

    def _note_reference(self):
        """Hold the last status against the reference, if every frame up to it is accounted for.

        The reference is the status that came soonest behind a frame: from there on, whole periods are frames.
        """
        if self._doubt or self._burst or self._skewed:
            return
        clock = self._clock
        frames = self._counted + self._level - self._reference_frames
        since = self._since(self._reference_us)
        late = since - clock.ticks_in(min(max(0, frames), 1000000))
        if late <= 0 or frames > _OLD or 8 * frames >= clock.frames or since >= 1 << 27:
            if late < -8 * self._half_us:
                clock.reset()  # the reference was wrong, or the two clocks have nothing to do with each other
                self._lossless = False
            if self._lossless:
                self._measure()
            else:
                self._start_measuring()
            self._set_reference()
            self._lossless = True
        if -self._half_us < late < 4 * self._half_us:
            self._steady = min(self._steady + 1, STEADY)
        else:
            self._steady = 0

    def _measure(self):
        """Hold the clock against the frames since the last loss, in long pieces: the phases of short ones are biased,
        for references come soon behind a frame."""
        frames = self._counted + self._level - self._measured_frames
        since = self._since(self._measured_us)
        if frames >= _PIECE or since >= 1 << 26:
            self._clock.add(since, frames)
            self._start_measuring()

    def _start_measuring(self):
        self._measured_us = self._us
        self._measured_frames = self._counted + self._level

    def _set_reference(self):
        self._reference_us = self._us
        self._reference_frames = self._counted + self._level
