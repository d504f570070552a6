"""Keeps secrets out of the configuration, and so out of session files, logs and data sets. Board and laptop."""

from config.strictjson import join
from config.validate import shown

_WORDS = ("key", "pass", "pwd", "psk", "pw", "auth", "authorization", "bearer", "pin_code")
_PARTS = ("passw", "passphrase", "secret", "token", "credential", "apikey", "api_key", "private_key")
_REMEDY = 'secrets belong in secrets.json: {"wifi": {"name": "password"}, "https_token": "...", "mqtt_password": "..."}'


def is_secret_name(key):
    """Whether a key looks like the name of a secret; that of a file with one in it is none."""
    key = key.lower().replace("-", "_").replace(" ", "_")
    if key.endswith("_file"):
        return False
    return any([part in key for part in _PARTS]) or any([word in _WORDS for word in key.split("_")])


def misplaced(value, path=""):
    """Yields an error for what looks like a secret anywhere in a parsed configuration. The values are not repeated."""
    if isinstance(value, list):
        for i in range(len(value)):
            yield from misplaced(value[i], join(path, i))
    if not isinstance(value, dict):
        return
    chosen = path in ("buses", "streams")  # by the user: a stream may well be called "key"
    for key in value:
        member = join(path, key)
        if not chosen and is_secret_name(key):
            yield (member, "looks like a secret", _REMEDY)
        elif key == "wifi" and isinstance(value[key], dict):
            yield (member, "looks like Wi-Fi passwords", "list the names only; " + _REMEDY)
        else:
            yield from misplaced(value[key], member)


def missing(config, secrets):
    """Yields an error for each Wi-Fi network, and the user at the broker, of which secrets.json knows no password."""
    known = secrets.get("wifi")
    wifi = (config.get("network") or {}).get("wifi") or ()
    for i in range(len(wifi)):
        if known is not None and wifi[i] not in known:
            reason = "secrets.json has no password for {}".format(shown(wifi[i]))
            yield ("network.wifi.{}".format(i), reason, 'add it there under "wifi"; null for an open network')
    mqtt = (config.get("upload") or {}).get("mqtt") or {}
    if mqtt.get("user") is not None and "mqtt_password" in secrets and secrets["mqtt_password"] is None:
        yield ("upload.mqtt.user", "secrets.json has no password for it", 'add it there as "mqtt_password"')


def repeated(config, secrets):
    """Yields an error for each text of the configuration that holds a secret's value: it would reach the data set."""
    values = list((secrets.get("wifi") or {}).values()) + [secrets.get("https_token"), secrets.get("mqtt_password")]
    yield from _repeated(config, "", [value for value in values if value])


def _repeated(value, path, secrets):
    if isinstance(value, str):
        if any([secret in value for secret in secrets]):
            yield (path, "contains a value of secrets.json", "it would reach the data set: change one of them")
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from _repeated(value[i], join(path, i), secrets)
    elif isinstance(value, dict):
        for key in value:
            hidden = any([secret in key for secret in secrets])
            member = join(path, "?" if hidden else key)
            if hidden:
                yield (member, "a name contains a value of secrets.json", "change one of them")
            yield from _repeated(value[key], member, secrets)
