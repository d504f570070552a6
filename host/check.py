"""`deploy.py check CONFIG`: says everything that is wrong with a configuration and its secrets, before a board does."""

import json
import sys
from pathlib import Path

from config import loader
from config.model import field_errors
from config.secrets import missing, repeated
from config.strictjson import JSONError, parse
from host.libs import NEEDED, cache_folder, is_present, needed

SECRETS = "secrets.json"


def add_arguments(parser):
    """Declares the command's arguments on an argparse parser."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a JSON file")
    parser.add_argument("--secrets", type=Path, metavar="FILE", help=f"the secrets (default: {SECRETS} beside CONFIG)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args):
    """Prints the errors of the files that `args` names; returns 0 when there is none, else 2."""
    config, errors = check_files(args.config, args.secrets)
    if args.json:
        rows = [dict(zip(("file", "path", "reason", "remedy"), error, strict=True)) for error in errors]
        print(json.dumps({"ok": not errors, "errors": rows, "config": config}, indent=1))
    else:
        _print(args.config, config, errors)
    return 2 if errors else 0


def check_files(config_path, secrets_path=None):
    """`(config, errors)`: the configuration with every default, without secrets, or None when there are errors.

    Errors are `(file, path, reason, remedy)`, those of the configuration first. Without `secrets_path`, `secrets.json`
    beside the configuration counts if it is there.
    """
    beside = Path(config_path).parent / SECRETS
    secrets_file = str(secrets_path or beside)
    secrets, secret_errors = {"wifi": {}, **dict.fromkeys(loader.PLAIN_SECRETS)}, []
    if secrets_path or beside.exists():
        secrets, secret_errors = _check(secrets_file, "secrets")
    config, errors = _check(str(config_path), "config")
    if config is not None:
        known = {path for path, _, _ in errors}
        for error in (*missing(config, secrets or {}), *repeated(config, secrets or {})):
            if error[0] not in known:
                errors.append(error)
        errors += _packages(config)
    found = [(str(config_path), *error) for error in errors] + [(secrets_file, *error) for error in secret_errors]
    return (None if found else loader.public(config)), found


def _packages(config):
    """What the configuration needs beyond the firmware, and the cache of `deploy.py libs` has not got."""
    for package in needed(config):
        if not is_present(package):
            key = next(key for key, names in NEEDED.items() if package.name in names)
            reason = f"needs the package {package.name}, which is not in {cache_folder()}"
            yield f"upload.{key}", reason, "python3 deploy.py libs --from DIR (its clone), or null"


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


def _check(path, kind):
    if Path(path).exists() and not Path(path).is_file():
        what = "a directory" if Path(path).is_dir() else "no ordinary file"
        return None, [("", f"cannot be read: it is {what}", "name a JSON file")]
    data, errors = loader.read(path)
    return (None, errors) if errors else verdict(data, kind)


def _print(path, config, errors):
    """The errors, one paragraph each under its file; or what the configuration will do."""
    if not errors:
        print(str(path).encode(errors="replace").decode() + ": in order")
        for name, stream in sorted(config["streams"].items()):
            seconds = stream["segment_frames"] / stream["rate_hz"]
            print(f"  {name}: {stream['driver']} at {stream['rate_hz']} Hz, a file every {seconds:.0f} s")
        return
    for file in dict.fromkeys(error[0] for error in errors):
        mine = [error for error in errors if error[0] == file]
        print(f"{file}: {len(mine)} error{'s' if len(mine) > 1 else ''}", file=sys.stderr)
        for _, where, reason, remedy in mine:
            print(f"  {where or 'the whole file'}: {reason}\n      {remedy}", file=sys.stderr)
