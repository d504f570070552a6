"""The command `test`: the tests of this repository, on the laptop's Python and on every MicroPython found."""

import os
import sys

import pytest

from host.environment import ROOT
from tests.tools import micropython32, qemu, stubs
from tests.tools.apt import Unavailable

# Real processes, sockets and radios share the machine with everything else on it. A test that fails is run once
# more; the summary counts it as "rerun" and shows why it failed. `-- --reruns 0` takes the first answer.
RETRY = ["--reruns", "1", "--max-suite-reruns", "3", "--rerun-show-tracebacks"]


def workers() -> int:
    """Twice the cores: the tests wait half of their time, for boards and peers in real time."""
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2 * (os.cpu_count() or 1)


def add_arguments(parser):
    parser.add_argument("--slow", action="store_true", help="also run the tests that take tens of seconds each")
    parser.add_argument(
        "--with-32bit", action="store_true",
        help="first get a 32-bit MicroPython into the user's cache directory (amd64 Debian; 4 MB to download, nothing "
        "is installed); later runs use it without being asked",
    )
    parser.add_argument(
        "--with-stubs", action="store_true",
        help="first get type stubs of the ESP32, RP2 and STM32 firmware (2 MB) into the user's cache directory; later "
        "runs hold the board-side code against them without being asked",
    )
    parser.add_argument(
        "--with-cortex", action="store_true",
        help="first build MicroPython for an emulated Cortex-M3 (about a minute; Debian, with gcc-arm-none-eabi, "
        "libnewlib-arm-none-eabi and qemu-system-arm); later runs use it without being asked",
    )
    parser.add_argument(
        "--campaign", action="store_true",
        help="cut the power at every flash operation of a recording, not only at a sample of them (about a quarter of "
        "an hour on two cores), and simulate 30 days of a board that sleeps (another half an hour)",
    )
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENT", help="handed to pytest, e.g. `-- -k ring -x`")


def run(args) -> int:
    """pytest's verdict: 0 all passed, 1 a test failed or none was found, 2 wrong arguments, 130 interrupted."""
    def told(text):
        print(text, file=sys.stderr)

    for wanted, what, obtain in (
        (args.with_32bit, "32-bit MicroPython", lambda: micropython32.obtain(progress=told)),
        (args.with_stubs, "stubs", stubs.obtain),
        (args.with_cortex, "Cortex-M3", lambda: qemu.obtain(progress=told)),
    ):
        try:
            if wanted:
                obtain()
        except (Unavailable, OSError) as reason:
            told(f"deploy.py test: no {what}, its tests are skipped: {reason}")
    if args.campaign:
        os.environ["MOTELOG_CAMPAIGN"] = "1"
    os.chdir(ROOT)
    selection = [] if args.slow else ["-m", "not slow"]
    interrupt, powercuts = Interrupt(), PowerCuts()
    code = pytest.main(["-n", str(workers()), *RETRY, *selection, *args.pytest], plugins=[interrupt, powercuts])
    if args.campaign:
        print(f"power-cut campaign: {powercuts.tried} cuts tried, {powercuts.violations} violations")
    if interrupt.seen:
        return 130
    return {pytest.ExitCode.OK: 0, pytest.ExitCode.USAGE_ERROR: 2}.get(code, 1)


class Interrupt:
    """Tells Ctrl-C from a collection that failed, for which pytest has the same exit code."""

    seen = False

    def pytest_keyboard_interrupt(self, excinfo):
        self.seen = excinfo.type is KeyboardInterrupt


class PowerCuts:
    """Sums up what the tests of the power-cut campaign tell in their properties."""

    tried = violations = 0

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            told = dict(report.user_properties)
            self.tried += told.get("cuts_tried", 0)
            self.violations += told.get("violations", 0)
