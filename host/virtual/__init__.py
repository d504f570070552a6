"""The virtual board: a MicroPython process with modelled hardware (port/, chips/), started from here (board.py).

Board-side tests import port/ and chips/ on MicroPython, through this package: nothing is imported before it is asked
for.
"""


def __getattr__(name):
    if name == "VirtualBoard":
        from host.virtual.board import VirtualBoard

        return VirtualBoard
    raise AttributeError(name)
