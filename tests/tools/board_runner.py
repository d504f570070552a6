"""Runs on MicroPython: calls test functions of one script and prints a report line for each.

Arguments: the script's folder, its module name, then the names of the functions. A report line is `\\x1e` and one JSON
object: {"test", "outcome": "passed" | "failed" | "skipped", "text", "ms"}. Other output belongs to the test that runs.
"""

import gc
import io
import json
import os
import random
import sys
import time

from mptest import SkipTest


def call(function):
    """(outcome, text) of one call."""
    try:
        function()
    except SkipTest as reason:
        return "skipped", str(reason)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        return "failed", text.getvalue()
    return "passed", ""


def load(folder, name):
    """Import the script; its folder is searched only meanwhile, so that it shadows nothing afterwards."""
    sys.path.insert(0, folder)
    try:
        return __import__(name)
    finally:
        sys.path.remove(folder)


def main(folder, name, *tests):
    module = load(folder, name)
    for test in tests:
        gc.collect()
        if not os.getenv("MOTELOG_CAMPAIGN"):
            random.seed(1)  # a run of the tests says the same as the last one
        started = time.ticks_ms()
        outcome, text = call(getattr(module, test))
        ms = time.ticks_diff(time.ticks_ms(), started)
        print("\n\x1e" + json.dumps({"test": test, "outcome": outcome, "text": text, "ms": ms}))


main(*sys.argv[1:])
