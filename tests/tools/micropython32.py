"""A 32-bit MicroPython for the tests."""

from pathlib import Path


def find() -> Path | None:
    """The executable in the user's cache directory, or None."""
    return None
