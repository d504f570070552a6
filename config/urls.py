"""What makes a collector's address acceptable. Board and laptop."""

_EXAMPLE = "https://host:port"


def split(url):
    """`(scheme, userinfo, host, port, rest)` of a URL; port is text or None, a missing part is ''."""
    scheme, _, rest = url.partition("://")
    end = len(rest)
    for mark in "/?#":
        at = rest.find(mark)
        if 0 <= at < end:
            end = at
    place, rest = rest[:end], rest[end:]
    at = place.rfind("@")
    userinfo, place = place[: max(at, 0)], place[at + 1 :]
    if place.startswith("[") and "]" in place:
        host, _, tail = place[1:].partition("]")
        port = tail[1:] if tail.startswith(":") else tail or None
    else:
        host, colon, port = place.partition(":")
        port = port if colon else None
    return scheme, userinfo, host, port, rest


def bare(url):
    """The URL without user, password, query and fragment."""
    scheme, _, host, port, rest = split(url)
    for mark in "?#":
        rest = rest.split(mark)[0]
    place = "[" + host + "]" if ":" in host else host
    return "{}://{}{}{}".format(scheme, place, "" if port is None else ":" + port, rest)


def is_loopback(host):
    """Whether a host name or address is this machine itself."""
    parts = host.split(".")
    numbers = len(parts) == 4 and all([part.isdigit() for part in parts])
    return host in ("localhost", "::1") or numbers and parts[0] == "127"


def mqtt_url_errors(mqtt, path):
    """Yields what is wrong with the broker's address and the certificates that belong to it."""
    scheme, userinfo, host, port, rest = split(mqtt["url"])
    where = path + ".url"
    if userinfo or "@" in mqtt["url"]:
        yield (where, "holds a user name or password", "use upload.mqtt.user, and mqtt_password in secrets.json")
    elif scheme not in ("mqtt", "mqtts"):
        yield (where, "is no MQTT address", "mqtts://host[:8883]")
    elif rest:
        yield (where, "has something behind host and port", "mqtts://host[:8883]")
    elif not _is_host(host):
        yield (where, "has no proper host name or address", "mqtts://host[:8883]")
    elif port is not None and not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        yield (where, "has no proper port", "a port is 1 to 65535")
    elif not ("ca_file" in mqtt and "cert_file" in mqtt and "key_file" in mqtt):
        return
    elif scheme == "mqtts" and mqtt["ca_file"] is None:
        reason = "is missing: the broker could not be told from an impostor"
        yield (path + ".ca_file", reason, 'a file on the board with its CA certificate, such as "/ca.der"')
    elif scheme == "mqtt" and mqtt["cert_file"] is not None:
        yield (path + ".cert_file", "has no meaning without TLS", "mqtts://, or leave it out")
    elif (mqtt["cert_file"] is None) != (mqtt["key_file"] is None):
        lacks = "key_file" if mqtt["key_file"] is None else "cert_file"
        yield ("{}.{}".format(path, lacks), "is missing: a certificate and its key belong together", "give both")


def url_errors(https, path):
    """Yields what is wrong with `https["url"]`, and a missing `ca_file`; not the address: it may hold a password."""
    scheme, userinfo, host, port, rest = split(https["url"])
    where = path + ".url"
    if userinfo or "@" in https["url"]:
        yield (where, "holds a user name or password", "move it to secrets.json as https_token")
    elif "?" in rest or "#" in rest:
        yield (where, "has a query or fragment, which would reach the data set", _EXAMPLE + "/path")
    elif "%" in rest or "\\" in rest:
        yield (where, "has a character that a path may not have", _EXAMPLE + "/path")
    elif scheme not in ("http", "https"):
        yield (where, "is no https address", _EXAMPLE)
    elif not _is_host(host):
        yield (where, "has no proper host name or address", _EXAMPLE)
    elif port is not None and not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        yield (where, "has no proper port", "a port is 1 to 65535")
    elif scheme == "http" and not is_loopback(host):
        yield (where, "http:// would send everything in clear text", "https://, or http:// to localhost only")
    elif scheme == "https" and "ca_file" in https and https["ca_file"] is None:
        reason = "is missing: the collector could not be told from an impostor"
        yield (path + ".ca_file", reason, 'a file on the board with its CA certificate, such as "/ca.der"')


def _is_host(host):
    """Letters, digits, dots and dashes, or colons and hexadecimal digits of an IPv6 address."""
    if not host.strip(".-_:"):
        return False
    allowed = "0123456789abcdef:." if ":" in host else "abcdefghijklmnopqrstuvwxyz0123456789.-_"
    for char in host.lower():
        if char not in allowed:
            return False
    return True
