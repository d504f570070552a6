"""`deploy.py check CONFIG`: says everything that is wrong with a configuration and its secrets, before a board does; if
all is right, what the board will need and how long it will last (docs/planner.md).
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from config import loader
from config.model import field_errors
from config.secrets import missing, repeated
from config.strictjson import JSONError, parse
from config.urls import is_loopback, split
from host.libs import NEEDED, cache_folder, is_present, needed
from host.planner import plan, propose, report

SECRETS = "secrets.json"


def add_arguments(parser):
    """Declares the command's arguments on an argparse parser."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a JSON file")
    parser.add_argument("--secrets", type=Path, metavar="FILE", help=f"the secrets (default: {SECRETS} beside CONFIG)")
    parser.add_argument("--battery-mah", type=_positive, metavar="MAH", help="capacity of the battery")
    parser.add_argument("--days", type=_positive, metavar="N", help="how long the battery shall last")
    parser.add_argument("--assumptions", action="store_true", help="print every figure of the forecast with its source")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _positive(text):
    """An argparse type."""
    number = float(text)
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError("more than 0 is needed")
    return number


def run(args):
    """Prints the errors of the files that `args` names, or the forecast; returns 0 when there is no error, else 2."""
    goals = {"battery_mah": args.battery_mah, "days": args.days}
    config, errors = check_files(args.config, args.secrets)
    made = plan(config, **goals) if config else None
    if made and made.refusals:
        errors = [(str(args.config), *error) for error in made.refusals]
    changes = proposal(args.config, goals) if errors else None
    if args.json:
        _print_json(config, made, errors, changes)
    elif errors:
        _print_errors(errors, changes)
    else:
        print(_text(args.config) + ": in order")
        for name, stream in sorted(config["streams"].items()):
            seconds = stream["segment_frames"] / stream["rate_hz"]
            print(f"  {name}: {stream['driver']} at {stream['rate_hz']} Hz, a file every {seconds:.0f} s")
        for sentence in warnings(config):
            print(f"  warning: {sentence}")
        report.show(config, made, Console(), with_assumptions=args.assumptions)
    return 2 if errors else 0


def proposal(path, goals):
    """The changes that make the configuration file pass, None when none are needed or found. See planner/propose.py."""
    data, errors = loader.read(path) if Path(path).is_file() else (None, True)
    try:
        raw = None if errors else parse(data)[0]
    except JSONError:
        raw = None

    def judge(changed):
        filled, found = verdict(json.dumps(changed).encode())
        return filled, found or list(plan(filled, **goals).refusals)

    return (propose.propose(raw, judge) or None) if isinstance(raw, dict) else None


def check_files(config_path, secrets_path=None):
    """`(config, errors)`: the configuration with every default, without secrets, or None when there are errors.

    Errors are `(file, path, reason, remedy)`, those of the configuration first. Without `secrets_path`, `secrets.json`
    beside the configuration counts if it is there.
    """
    beside = Path(config_path).parent / SECRETS
    secrets_file = str(secrets_path or beside)
    secrets, secret_errors = {"wifi": {}, **dict.fromkeys(loader.PLAIN_SECRETS)}, []
    if secrets_path or beside.exists():
        secrets, secret_errors = check_file(secrets_file, "secrets")
    config, errors = check_file(str(config_path))
    if config is not None:
        known = {path for path, _, _ in errors}
        for error in (*missing(config, secrets or {}), *repeated(config, secrets or {})):
            if error[0] not in known:
                errors.append(error)
        errors += _packages(config)
        if not errors:
            errors += plan(config).refusals
    found = [(str(config_path), *error) for error in errors] + [(secrets_file, *error) for error in secret_errors]
    return (None if found else loader.public(config)), found


def _packages(config):
    """What the configuration needs beyond the firmware, and the cache of `deploy.py libs` has not got."""
    for package in needed(config):
        if not is_present(package):
            key = next(key for key, names in NEEDED.items() if package.name in names)
            reason = f"needs the package {package.name}, which is not in {cache_folder()}"
            yield f"upload.{key}", reason, "python3 deploy.py libs --from DIR (its clone), or null"


def sentence(file, path, reason, remedy):
    """An error of `check_files` in one line."""
    return f"{_text(file)}: {path + ' ' if path else ''}{reason} ({remedy})"


def warnings(config):
    """Yields a sentence for what is in order and worth knowing; `config` None: nothing."""
    mqtt = ((config or {}).get("upload") or {}).get("mqtt") or {}
    scheme, _, host, _, _ = split(mqtt.get("url") or "")
    if scheme == "mqtt" and not is_loopback(host):
        yield "upload.mqtt.url: everybody on the network can read data and password (mqtts:// encrypts them)"
    if mqtt.get("ack") == "broker":
        yield "upload.mqtt.ack: the board lets go of what the broker takes, which drops it where nobody has subscribed"


def problems(config, secrets):
    """What is wrong with a configuration and secrets that a program made, one sentence each."""
    known, secret_errors = verdict(json.dumps(secrets).encode(), "secrets")
    filled, errors = verdict(json.dumps(config).encode())
    errors = [*errors, *secret_errors, *missing(filled or {}, known or {}), *repeated(filled or {}, known or {})]
    return [f"{path}: {reason} ({remedy})" for path, reason, remedy in errors]


def verdict(data, kind="config"):
    """`(filled, errors)` of a file's bytes: the board's own verdict, and whatever the model finds beyond it."""
    filled, errors = (loader.check if kind == "config" else loader.check_secrets)(data)
    try:
        raw, _ = parse(data)
    except JSONError:
        return None, errors
    known = {path for path, _, _ in errors}
    for path, reason in field_errors(raw, kind).items():
        if path not in known:
            errors.append((path, reason, "see config/schema.json"))
    return filled, errors


def check_file(path, kind="config"):
    """`(filled, errors)` of one file; see `verdict`."""
    if Path(path).exists() and not Path(path).is_file():
        what = "a directory" if Path(path).is_dir() else "no ordinary file"
        return None, [("", f"cannot be read: it is {what}", "name a JSON file")]
    data, errors = loader.read(path)
    return (None, errors) if errors else verdict(data, kind)


def _text(path):
    return str(path).encode(errors="replace").decode()


def _print_json(config, made, errors, changes):
    rows = [dict(zip(("file", "path", "reason", "remedy"), error, strict=True)) for error in errors]
    answer = {
        "ok": not errors,
        "errors": rows,
        "warnings": list(warnings(config)),
        "proposal": [change.as_dict() for change in changes] if changes else None,
        "config": None if errors else config,
        "plan": made.as_dict() if made and not errors else None,
    }
    print(json.dumps(answer, indent=1))


def _print_errors(errors, changes):
    """One paragraph each under its file, and the nearest configuration that works."""
    for file in dict.fromkeys(error[0] for error in errors):
        mine = [error for error in errors if error[0] == file]
        print(f"{_text(file)}: {len(mine)} error{'s' if len(mine) > 1 else ''}", file=sys.stderr)
        for _, where, reason, remedy in mine:
            print(f"  {where or 'the whole file'}: {reason}\n      {remedy}", file=sys.stderr)
    if changes:
        print("The nearest that works:", file=sys.stderr)
        for change in changes:
            was = "" if change.was is None else f" instead of {json.dumps(change.was)}"
            print(f"  {change.path}: {json.dumps(change.value)}{was}", file=sys.stderr)
