"""Reads and checks a configuration, on the board and on the laptop, and keeps the last good one.

    loaded = load("/config.json", "/config.good.json", "/secrets.json")
    loaded.config, loaded.secrets      # complete: every default filled in
    loaded.errors                      # [(file, path, reason, remedy), ...] of the files as they stand now
    loaded.fell_back                   # True: config is the last good one, the current file is refused

An error in the configuration refuses it, and so does a secret's value inside it. A wrong secrets file or a missing
password only costs the connection: recording goes on.
"""

import os

from config.checks import config_errors
from config.rules import RULES
from config.secrets import misplaced, missing, repeated
from config.strictjson import JSONError, parse
from config.urls import bare
from config.validate import validate

MAX_BYTES = 16384
PLAIN_SECRETS = ("https_token", "mqtt_password")  # beside the passwords of networks


class ConfigError(Exception):
    """Neither the configuration nor a last good one is usable. `errors` as in `Loaded`."""

    def __init__(self, errors):
        super().__init__("; ".join(["{} {}: {} ({})".format(*error) for error in errors]))
        self.errors = errors


class Loaded:
    """What `load` found. `config` and `secrets` are dicts; see the module's description."""

    def __init__(self, config, secrets, errors, fell_back):
        self.config = config
        self.secrets = secrets
        self.errors = errors
        self.fell_back = fell_back


def load(path, last_good_path, secrets_path=None):
    """Loads a configuration, or the last good one if it is refused; ConfigError if there is none. Returns `Loaded`."""
    secrets, secret_problems = check_secrets_file(secrets_path)
    config, problems, data = _usable(path, secrets)
    errors = [(path,) + error for error in problems]
    fell_back = bool(problems)
    if fell_back:
        config, problems, data = _usable(last_good_path, secrets)
        if problems:
            raise ConfigError(errors + [(last_good_path,) + error for error in problems])
    else:
        try:
            store(last_good_path, data)
        except OSError as error:
            errors.append((last_good_path, "", "cannot be written: " + _why(error), "free some room on the board"))
    errors += [(secrets_path,) + error for error in secret_problems]
    errors += [(path,) + error for error in missing(config, secrets)]
    found = {key: secrets.get(key) for key in PLAIN_SECRETS}
    found["wifi"] = secrets.get("wifi") or {}
    return Loaded(config, found, errors, fell_back)


def _usable(path, secrets):
    """`(config, errors, bytes)` of a file; it is usable when there are no errors."""
    data, errors = read(path)
    if errors:
        return None, errors, data
    config, errors = check(data)
    return config, errors or list(repeated(config, secrets)), data


def check_secrets_file(path):
    """`(secrets, errors)` of a file: what is right in it. No path or no file is no secrets."""
    if path is None or not _exists(path):
        return check_secrets(b"{}")
    data, errors = read(path)
    return check_secrets(data) if not errors else ({}, errors)


def check(data):
    """`(config, errors)` of a configuration's text (bytes)."""
    raw, config, errors = _fields(data, "config")
    if config is None:
        return None, errors
    return config, _merged(misplaced(raw), errors, config_errors(config))


def replace(path, data, secrets_path=None):
    """Makes `data` the configuration at `path` when it is right, in one step; -> errors, none when it was done."""
    config, errors = check(data) if len(data) <= MAX_BYTES else _too_large()
    if not errors:
        errors = list(repeated(config, check_secrets_file(secrets_path)[0]))
    if not errors:
        store(path, data)
    return errors


def check_secrets(data):
    """`(secrets, errors)` of a secrets file's text (bytes). No value is repeated in an error."""
    raw, secrets, errors = _fields(data, "secrets")
    if secrets and "wifi" in secrets:
        # A wrong password came back as None, which would mean an open network: forget that name.
        passwords = secrets["wifi"]
        secrets["wifi"] = {name: passwords[name] for name in passwords if passwords[name] == raw["wifi"].get(name)}
    hidden = "the value (not shown) is not allowed here"
    return secrets or {}, _merged([(e[0], hidden if "allowed here" in e[1] else e[1], e[2]) for e in errors])


def public(config):
    """A copy of a configuration as it may stand in session.json: known keys only, addresses without user or query."""
    out = validate(RULES["config"], config, "", [])
    upload = out.get("upload") or {}
    for way in ("https", "mqtt"):
        place = upload.get(way) or {}
        if "url" in place:
            place["url"] = bare(place["url"])
    return out


def read(path):
    """`(bytes, errors)` of a small file; OSErrors and files above `MAX_BYTES` are errors."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)  # reading allocates what it is asked for: no more than the file has
            file.seek(0)
            data = file.read(min(size, MAX_BYTES + 1))
    except OSError as error:
        return None, [("", "cannot be read: " + _why(error), "check the file's name and rights")]
    except MemoryError:
        return None, [("", "does not fit into memory", "a configuration is smaller than that")]
    return (data, []) if len(data) <= MAX_BYTES else _too_large()


def _too_large():
    return None, [("", "is larger than {} bytes".format(MAX_BYTES), "a configuration is smaller than that")]


def store(path, data):
    """Makes `data` the content of a file, unless it is already; a power cut leaves the old content or the new."""
    if read(path)[0] == data:
        return
    new = path + ".new"
    with open(new, "wb") as file:
        file.write(data)
    os.rename(new, path)


def _why(error):
    """An OSError in words; the numbers are the same on every MicroPython port."""
    words = {
        2: "there is no such file",
        13: "permission denied",
        20: "a part of its path is a file",
        21: "it is a directory",
        28: "no room left",
        30: "the file system is read-only",
    }
    return words.get(error.errno, str(error))


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _fields(data, kind):
    """`(parsed, filled in, errors)` of a text, by the field rules alone; None twice if it is not JSON."""
    try:
        raw, doubles = parse(data)
    except JSONError as error:
        return None, None, [("", error.reason, error.remedy)]
    except MemoryError:
        return None, None, [("", "does not fit into memory", "a configuration is smaller than that")]
    errors = [(path, "stands there twice", "keep one of them") for path in doubles]
    return raw, validate(RULES[kind], raw, "", errors) or {}, errors


def _merged(*lists):
    """The lists as one, sorted by path; of several errors at one path the first counts."""
    errors = {}
    for some in lists:
        for error in some:
            if error[0] not in errors:
                errors[error[0]] = error
    return [errors[path] for path in sorted(errors)]
