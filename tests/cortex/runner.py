"""Runs on the Cortex-M3: calls the test functions of one script. -> [[name, None, or why it failed or was skipped]]"""

import gc
import io
import sys

from mptest import SkipTest


def run(folder, name, without):
    sys.path[:] = ["/rom", "/rom/tests", "/rom/tests/" + folder]
    module = __import__(name)
    verdicts = []
    for test in sorted(dir(module)):
        if test.startswith("test_") and test not in without:
            gc.collect()
            verdicts.append([test, _call(getattr(module, test))])
    for loaded in list(sys.modules):
        if loaded not in ("sys", "gc", "io", "runner"):
            del sys.modules[loaded]
    gc.collect()
    return verdicts


def _call(function):
    try:
        function()
    except SkipTest as reason:
        return "skipped: " + str(reason)
    except Exception as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        return text.getvalue()
    return None
