"""The state of a chip as JSON values, so that it outlives the board's process: a sensor's supply stays on over deep
sleep and resets.
"""

from array import array

_PLAIN = (int, bool, float, list, tuple, type(None))
_ELSEWHERE = ("clock", "source", "_chip", "_int1", "_faults")  # what the chip is wired to, and what never changes


def state_of(part):
    """-> {attribute: value} of a chip, or of a part of one, whose own parts are dicts in it."""
    state = {}
    for name, value in part.__dict__.items():
        if name in _ELSEWHERE:
            continue
        if isinstance(value, bytearray):
            state[name] = value.hex()
        elif isinstance(value, array):
            state[name] = list(value)
        elif isinstance(value, _PLAIN):
            state[name] = value
        elif hasattr(value, "__dict__"):
            state[name] = state_of(value)
    return state


def restore(part, state):
    """Make `part` what it was when `state_of` was asked."""
    for name, value in state.items():
        now = getattr(part, name)
        if isinstance(now, bytearray):
            now[:] = bytes.fromhex(value)
        elif isinstance(now, array):
            for i in range(len(value)):
                now[i] = value[i]
        elif isinstance(value, dict):
            restore(now, value)
        elif isinstance(now, tuple):
            setattr(part, name, tuple(value))
        else:
            setattr(part, name, value)
