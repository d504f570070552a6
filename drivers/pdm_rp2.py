"""The bits of a PDM microphone on RP2040 and RP2350: a PIO program clocks them in, DMA writes them into a ring.

Written from the data sheets and `rp2`'s documentation; tested against a stand-in for `rp2`, never on a board.
"""

from array import array

import rp2
import uctypes
from machine import Pin

WORDS = 1 << 26  # a round of the DMA: its counter runs from here to 0, then another channel starts it anew
_COUNT_TRIGGER = 7  # AL1_TRANS_COUNT_TRIG (RP2040 data sheet, 2.5.7): writing it starts the channel


@rp2.asm_pio(
    sideset_init=rp2.PIO.OUT_LOW, in_shiftdir=rp2.PIO.SHIFT_RIGHT, autopush=True, push_thresh=32,
    fifo_join=rp2.PIO.JOIN_RX,
)  # fmt: skip
def _left():
    """4 cycles per bit; the bit is taken as the clock rises: the left microphone (SELECT low) drives while it is low"""
    wrap_target()  # noqa: F821
    in_(pins, 1).side(1)[1]  # noqa: F821
    nop().side(0)[1]  # noqa: F821
    wrap()  # noqa: F821


@rp2.asm_pio(
    sideset_init=rp2.PIO.OUT_LOW, in_shiftdir=rp2.PIO.SHIFT_RIGHT, autopush=True, push_thresh=32,
    fifo_join=rp2.PIO.JOIN_RX,
)  # fmt: skip
def _right():
    """As _left, taken as the clock falls."""
    wrap_target()  # noqa: F821
    in_(pins, 1).side(0)[1]  # noqa: F821
    nop().side(1)[1]  # noqa: F821
    wrap()  # noqa: F821


class PioBits:
    """A source for ``PDMMic``: state machine ``id``, clock on pin ``clk``, data on pin ``data``.

    ``bit_hz``: the microphone's clock, usually 1 to 3.25 MHz. ``ring_bytes``: a power of two up to 32768, which is what
    a DMA channel can wrap around by itself (256 ms at 1.024 MHz). ``right``: the microphone's SELECT is high.
    """

    wrap = 4 * WORDS

    def __init__(self, id, *, clk, data, bit_hz, ring_bytes=32768, right=False):
        power = 0
        while 1 << power < ring_bytes:
            power += 1
        if 1 << power != ring_bytes or not 10 <= power <= 15:
            raise ValueError(f"ring_bytes {ring_bytes}: a power of two from 1024 to 32768")
        self._id = id
        self._clk = Pin(clk, Pin.OUT, value=0)
        self._data = Pin(data, Pin.IN)
        self._bit_hz = bit_hz
        self._program = _right if right else _left
        self._machine = None
        self._memory = bytearray(2 * ring_bytes)  # somewhere in it is a ring at an address that DMA can wrap around
        at = -uctypes.addressof(self._memory) % ring_bytes
        self.ring = memoryview(self._memory)[at : at + ring_bytes]
        self._words = array("I", [WORDS])
        self._dma = rp2.DMA()
        self._again = rp2.DMA()
        request = (id >> 2 << 3) + (id & 3) + 4  # DREQ_PIOx_RXy (RP2040 data sheet, 2.5.3.1)
        self._control = self._dma.pack_ctrl(
            inc_read=False, ring_sel=True, ring_size=power, treq_sel=request, chain_to=self._again.channel
        )
        self._again_control = self._again.pack_ctrl(inc_read=False, inc_write=False)

    def start(self):
        """Clock on, ring empty."""
        self.stop()
        self._machine = machine = rp2.StateMachine(
            self._id, self._program, freq=4 * self._bit_hz, sideset_base=self._clk, in_base=self._data
        )
        trigger = self._dma.registers[_COUNT_TRIGGER : _COUNT_TRIGGER + 1]
        self._again.config(read=self._words, write=trigger, count=1, ctrl=self._again_control)
        self._dma.config(read=machine, write=self.ring, count=WORDS, ctrl=self._control, trigger=True)
        machine.active(1)

    def received(self):
        """-> bytes written into the ring, modulo ``wrap``."""
        return WORDS - self._dma.count << 2 & 4 * WORDS - 1

    def stop(self):
        """Clock off."""
        if self._machine is None:
            return
        self._machine.active(0)
        self._again.active(0)
        self._dma.active(0)
        self._machine = None

    def close(self):
        """Give the DMA channels back."""
        self.stop()
        self._dma.close()
        self._again.close()
