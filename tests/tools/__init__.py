"""Tools for the tests themselves: MicroPython interpreters and how to run code on them."""
