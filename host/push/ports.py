"""Which serial port: the one that the user names, or the one that has a board."""

import serial.tools.list_ports

from host.push.wire import WireError

AUTO = "auto"


def usb_ports() -> list[str]:
    """Serial ports of USB devices, the kind that boards are."""
    return sorted(port.device for port in serial.tools.list_ports.comports() if port.vid is not None)


def chosen(named: list[str]) -> list[str]:
    """The ports to use. Raises WireError when none was named and there is not exactly one."""
    if named != [AUTO]:
        if AUTO in named:
            raise WireError("--port auto stands alone: name every port, or none")
        return list(dict.fromkeys(named))
    found = usb_ports()
    if not found:
        raise WireError(
            "no board found on USB: plug one in (a cable that carries data), or name its port with --port "
            "(a virtual board is not on USB: `deploy.py board` prints its port)"
        )
    if len(found) > 1:
        raise WireError(f"{len(found)} boards found, {', '.join(found)}: say which with --port")
    return found


def add_argument(parser, several: bool) -> None:
    """The --port of a command."""
    what = "serial port of the board (default: the only one on USB)"
    if several:
        parser.add_argument("--port", nargs="+", default=[AUTO], metavar="PORT", help=what + "; several: all at once")
    else:
        parser.add_argument("--port", default=AUTO, metavar="PORT", help=what)
