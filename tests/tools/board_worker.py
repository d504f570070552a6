"""Runs on MicroPython: answers each line of standard input, a JSON value, with `handle(value)` of a module, as JSON.

Arguments: the module's folder, its name. See BoardWorker in tests/tools/worker.py.
"""

import json
import sys


def main(folder, name):
    sys.path.insert(0, folder)
    handle = __import__(name).handle
    for line in sys.stdin:
        print(json.dumps(handle(json.loads(line))))


main(*sys.argv[1:])
