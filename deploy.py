#!/usr/bin/env python3
"""Motelog's command line: `python3 deploy.py --help`. The table of commands is host/commands.py."""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - said by every Python that can read this file
        sys.stderr.write("deploy.py needs Python 3.11 or newer; this is Python " + sys.version.split()[0] + ".\n")
        sys.exit(2)
    try:
        from host.commands import main

        code = main(sys.argv[1:])
        sys.stdout.flush()
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # nobody reads any more (`| head`)
        sys.stdout = None
        sys.exit(141)
