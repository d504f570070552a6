"""How a command says that the call, not the data, is at fault."""

import json
import sys


def report(command: str, reason: object, as_json: bool = False) -> int:
    """One sentence on standard error and, if JSON was asked for, one object on standard output. -> exit code 2"""
    text = told(reason)
    print(f"{command}: {text}", file=sys.stderr)
    if as_json:
        print(json.dumps({"ok": False, "error": text}))
    return 2


def told(reason: object) -> str:
    """What happened, in words for a user: an OSError names its file and gives no number."""
    if not isinstance(reason, OSError) or not reason.strerror:
        return str(reason)
    what = "is a file, not a folder" if isinstance(reason, FileExistsError) else reason.strerror
    return what if reason.filename is None else f"{reason.filename}: {what}"


def about(path: object, error: Exception, what: str) -> str:
    """Why a file cannot be used: the system's reason, or that it is something else and how."""
    if isinstance(error, OSError):
        return f"{path}: {error.strerror}"
    return f"{path}: {what}" + (f" ({error})" if str(error) else "")
