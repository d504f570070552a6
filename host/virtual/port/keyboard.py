"""`micropython` as programs on a board with a console see it: kbd_intr() reaches the launcher, which turns the
interrupt character into a signal (host/virtual/console.py) as a UART's interrupt handler does.
"""

from hardware import board
from micropython import *  # noqa: F403

INTERRUPT = 3  # Ctrl-C


def kbd_intr(char):
    """`char` 3: Ctrl-C interrupts; -1: it is a byte like any other."""
    board.tell("intr 1" if char == INTERRUPT else "intr 0")
