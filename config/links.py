"""Rules between fields of the networks and the way to the collector; see checks.py."""

from config.urls import url_errors
from config.validate import shown


def link_errors(config, board):
    """Yields an error for every rule of `network` and `upload` that a configuration breaks."""
    wifi = (config.get("network") or {}).get("wifi")
    for i in range(len(wifi or ())):
        path = "network.wifi.{}".format(i)
        if wifi[i] in wifi[:i]:
            yield (path, "{} stands there twice".format(shown(wifi[i])), "name each network once")
        if len(wifi[i].encode()) > 32:
            yield (path, "takes more than 32 bytes as UTF-8", "a network's name has at most 32 bytes")
    yield from _addresses(config.get("network") or {})
    upload = config.get("upload")
    if upload is None:
        return
    if board and board["wifi"] and wifi == [] and (upload.get("https") or upload.get("mqtt")):
        yield ("network.wifi", "is empty: there is no way to upload", 'name a network: ["home"]')
    low, high = upload.get("backoff_min_s"), upload.get("backoff_max_s")
    if low is not None and high is not None and low > high:
        yield ("upload.backoff_max_s", "is less than backoff_min_s", "at least {}".format(low))
    https = upload.get("https")
    if "https" in upload and "mqtt" in upload:
        if https and upload["mqtt"]:
            yield ("upload.mqtt", "stands beside upload.https: recordings go one way", "keep one of them")
        elif not (https or upload["mqtt"]) and upload.get("ble", True) is None:
            yield ("upload", "names no way to a collector", "https, mqtt or ble, or null: recordings stay on the board")
    if https and "url" in https:
        yield from url_errors(https, "upload.https")
    if https and ("cert_file" in https and "key_file" in https):
        if (https["cert_file"] is None) != (https["key_file"] is None):
            lacks = "key_file" if https["key_file"] is None else "cert_file"
            yield ("upload.https." + lacks, "is missing: a certificate and its key belong together", "give both")
    if upload.get("ble") and board and board["ble"] is None:
        yield ("upload.ble", "this board's MicroPython has no Bluetooth", "https or mqtt, or another board")


def _addresses(network):
    """Static addresses have four numbers; no time server is named twice."""
    static = network.get("static") or {}
    for key in ("ip", "mask", "gateway", "dns"):
        if key in static:
            parts = static[key].split(".")
            if len(parts) != 4 or not all([part.isdigit() and int(part) < 256 for part in parts]):
                yield ("network.static." + key, "is no IPv4 address", "as 192.168.1.20")
    servers = network.get("ntp") or []
    for i in range(len(servers)):
        if servers[i] in servers[:i]:
            yield ("network.ntp.{}".format(i), "{} stands there twice".format(shown(servers[i])), "name each once")
