"""The table of commands, and the way from `deploy.py NAME ...` to the file of host/ that holds the command.

A command's file has `add_arguments(parser)` and `run(args) -> int`; it is imported only when its command is called, so
that this file needs the standard library only. Exit codes: 0 done, 1 the data or the device is at fault, 2 the call or
the configuration is, 130 interrupted.
"""

import argparse
import difflib
import importlib
import json
import os
import signal
import sys
from typing import NoReturn

from host import environment

COMMANDS = {
    "demo": ("demo", "record, ship, verify and plot a data set with a virtual board"),
    "test": ("selftest", "run the tests"),
    "bench": ("bench", "measure the recording path"),
    "check": ("check", "check a configuration"),
    "push": ("push.command", "install a configuration and the code on a board, and start it"),
    "pull": ("pull.command", "copy a board's recordings to this machine, verified"),
    "monitor": ("monitor", "watch a board that runs, and give it commands"),
    "collect": ("collect", "receive data sets from boards"),
    "command": ("command", "give a board a command over MQTT"),
    "verify": ("verify", "check every file, frame and loss of a data set"),
    "plot": ("plot", "draw a data set as a picture"),
    "libs": ("libs", "fetch the packages that boards need, checked by their hashes"),
    "board": ("board", "start a virtual board"),
}
PACKAGES = ("config", "drivers", "storage", "transport", "app", "host", "tests")
SYSTEM_PYTHON = "--system-python"


def main(argv: list[str]) -> int:
    """Run one command line and give its exit code; wrong usage ends in argparse's message and SystemExit(2)."""
    argv, system = _take_flag(argv, SYSTEM_PYTHON)
    at = next((i for i, word in enumerate(argv) if not word.startswith("-")), len(argv))
    parser = _parser()
    parser.parse_args(argv[:at])
    if at == len(argv):
        parser.print_help(sys.stderr)
        return 2
    name = argv[at]
    if name not in COMMANDS:
        parser.error(_unknown(name))
    if not system and os.environ.get("MOTELOG_PYTHON") != "system" and not environment.is_active():
        try:
            python = environment.ensure()
        except environment.Failed as reason:
            print(f"deploy.py: {reason}", file=sys.stderr)
            return 1
        return environment.run_again(python, argv)
    return _run(name, argv[at + 1 :])


def _run(name: str, arguments: list[str]) -> int:
    """Import the command's file and call it."""
    module, summary = COMMANDS[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for a job in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        command = importlib.import_module(f"host.{module}")
        parser = Parser(f"deploy.py {name}", description=f"{summary[0].upper()}{summary[1:]}.")
        parser.as_json = "--json" in arguments
        command.add_arguments(parser)
        return command.run(parser.parse_args(arguments))
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] in PACKAGES:
            raise
        install = f"{sys.executable} -m pip install -r {environment.LOCK}"
        print(
            f"deploy.py: this Python lacks the package that holds {error.name!r}: run `{install}`, or leave "
            f"{SYSTEM_PYTHON} (MOTELOG_PYTHON=system) out.", file=sys.stderr,
        )
        return 2


def _terminated(_, frame) -> None:
    """SIGTERM is as good as Ctrl-C: whatever was started or made for the moment goes as well."""
    signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)


class Parser(argparse.ArgumentParser):
    """Of one command. A wrong call gets a JSON object, too, if JSON was asked for (`as_json`)."""

    as_json = False

    def error(self, message: str) -> NoReturn:
        if self.as_json:
            print(json.dumps({"ok": False, "error": message}))
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    """The parser of what stands before the command."""
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        "deploy.py", usage="deploy.py [-h] [--system-python] COMMAND ...",
        description="Motelog turns a microcontroller board into a data recorder that accounts for every sample.",
        epilog="commands:\n" + "\n".join(f"  {name:{width}}  {summary}" for name, (_, summary) in COMMANDS.items())
        + "\n\n`deploy.py COMMAND --help` says more. Exit codes: 0 done; 1 the data or the device is at fault;\n"
        "2 the call or the configuration is; 130 interrupted.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        SYSTEM_PYTHON, action="store_true",
        help="use the Python that runs this (with requirements.lock installed) instead of making .venv",
    )
    return parser


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(COMMANDS)}"
    return f"unknown command '{name}'; {hint}"


def _take_flag(argv: list[str], flag: str) -> tuple[list[str], bool]:
    """`argv` without the flag, and whether it was there; what follows `--` is not ours."""
    end = argv.index("--") if "--" in argv else len(argv)
    return [word for word in argv[:end] if word != flag] + argv[end:], flag in argv[:end]
