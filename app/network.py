"""Builds what ships the spool. What is wrong here is said, and the board records all the same."""

import os

from transport.errors import CONFIG, TransportError

MAX_CA_BYTES = 8192  # a certificate of 4096 bits takes 2 KB as PEM


def fixes(clock, spool, log):
    """-> where transports report what others say of the time."""
    from app.fixes import ClockFixes

    return ClockFixes(clock, spool, log)


def sntp(servers, link, fixes):
    """-> the task that asks time servers, or None when none is configured."""
    if not servers:
        return None
    from transport.sntp import Sntp

    return Sntp(servers, fixes, backoff=_backoff(64, 3600), link=link)


def wifi(settings, secrets, log):
    """-> the keeper of the Wi-Fi connection, or None when none is configured or this port has no Wi-Fi."""
    names, static = settings["wifi"], settings["static"]
    if not names:
        return None
    try:
        import network

        from transport.wifi import Wifi, station

        wlan, failures = station(network)
    except (ImportError, AttributeError):
        log("this port has no Wi-Fi: going on without it")
        return None
    passwords = secrets["wifi"]
    networks = [(name, passwords.get(name)) for name in names]
    if static:
        static = tuple([static[key] for key in ("ip", "mask", "gateway", "dns")])
    return Wifi(wlan, networks, backoff=_backoff(1, 60), failures=failures, static=static)


def shipper(upload, secrets, spool, link, do, log, fixes):
    """-> the task that ships the spool over `link` (None: there is always a network), or None when that cannot work.

    `do(line) -> (ok, text)` obeys commands that come in that way. `fixes`: where the collector's clock is reported to.
    """
    if not (upload["mqtt"] or upload["https"]):
        return None
    from transport.shipper import Shipper

    spool = _bundled(spool, upload["bundle"], log)
    try:
        if upload["mqtt"]:
            transport = _mqtt(upload, secrets, spool, do)
        else:
            transport = _https(upload, secrets, spool, fixes)
    except TransportError as error:
        log("nothing is uploaded: " + error.message)
        return None
    backoff = _backoff(upload["backoff_min_s"], upload["backoff_max_s"])
    return Shipper(spool, transport, interval_s=upload["interval_s"], backoff=backoff, link=link)


def _https(upload, secrets, spool, fixes):
    from transport.https import Https

    https = upload["https"]
    ca, cert, key = _certificates(https)
    return Https(
        spool,
        url=https["url"],
        ca=ca,
        token=secrets["https_token"],
        cert=cert,
        key=key,
        timeout_s=upload["timeout_s"],
        fixes=fixes,
    )


def _mqtt(upload, secrets, spool, do):
    from transport.mqtt import Mqtt

    settings = dict(upload["mqtt"])
    ca, cert, key = _certificates(settings)
    for name in ("ca_file", "cert_file", "key_file"):
        del settings[name]
    password = secrets["mqtt_password"]
    return Mqtt(
        spool, ca=ca, cert=cert, key=key, password=password, timeout_s=upload["timeout_s"], do=do, **settings
    )


def _certificates(place):
    return [_read(name, place[name]) for name in ("ca_file", "cert_file", "key_file")]


def ble(upload, spool, do, state, log, fixes):
    """-> the task that lets the spool be fetched over Bluetooth, or None when that is not configured or cannot work.

    `do(line) -> (ok, text)` obeys commands, `state()` says what the board is doing. `fixes`: where clocks are
    reported to that a client sets.
    """
    options = upload["ble"]
    if options is None:
        return None
    try:
        from transport.ble import ANSWER_BYTES, Ble
    except ImportError as error:  # "no module named 'bluetooth'", "... 'aioble'"
        log("upload.ble: %s; aioble comes from `deploy.py libs`, bluetooth with the firmware" % error)
        return None
    return Ble(
        spool,
        name=options["name"] or spool.device,
        answer_bytes=options["answer_bytes"] or ANSWER_BYTES,
        advertise_ms=options["advertise_ms"],
        pairing=options["pairing"],
        do=do,
        state=state,
        fixes=fixes,
        log=log,
    )


def _bundled(spool, method, log):
    """-> the spool as the transport sees it: with its small segments in bundles, where that is wanted and possible."""
    if method is None:
        return spool
    from storage import bundle

    if method not in bundle.methods():
        log("upload.bundle: this firmware cannot make %s bundles: going on file by file" % method)
        return spool
    from storage.bundled import BundledSpool

    return BundledSpool(spool, method)


def _read(what, path):
    """-> the content of a certificate or key file; None without one."""
    if path is None:
        return None
    try:
        if os.stat(path)[6] > MAX_CA_BYTES:
            raise TransportError(CONFIG, "%s %s is longer than %d bytes: no certificate" % (what, path, MAX_CA_BYTES))
        with open(path, "rb") as file:
            return file.read(os.stat(path)[6])  # so much memory and no more
    except OSError as error:
        raise TransportError(CONFIG, "%s %s cannot be read (%s)" % (what, path, error)) from None


def _backoff(min_s, max_s):
    """A back-off with a seed of its own, so that a fleet does not come back in step after an outage."""
    from transport.backoff import Backoff

    return Backoff(min_s, max_s, seed=int.from_bytes(os.urandom(4), "little"))
