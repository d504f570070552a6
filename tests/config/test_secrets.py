"""Secrets stay in secrets.json: found in the wrong file, never repeated in a message, never in a session."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.loader import check, check_secrets, public
from config.secrets import is_secret_name, misplaced, missing, repeated
from tests.config.test_checks import BASE, errors_of

PASSWORD = "hunter2hunter2"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"password": PASSWORD}, "password"),
        ({"network.wifi_password": PASSWORD}, "network.wifi_password"),
        ({"network.wifi": {"home": PASSWORD}}, "network.wifi"),
        ({"network.wifi": [{"ssid": "home", "psk": PASSWORD}]}, "network.wifi.0.psk"),
        ({"https_token": PASSWORD}, "https_token"),
        ({"upload.https.token": PASSWORD}, "upload.https.token"),
        ({"upload.https.apiKey": PASSWORD}, "upload.https.apiKey"),
        ({"upload.https.headers": {"Authorization": PASSWORD}}, "upload.https.headers.Authorization"),
        ({"upload.https.client-key": PASSWORD}, "upload.https.client-key"),
        ({"secrets": {"wifi": {"home": PASSWORD}}}, "secrets"),
        ({"upload.https.url": f"https://me:{PASSWORD}@host"}, "upload.https.url"),
        ({"upload.https.url": f"https://me:{PASSWORD} @host"}, "upload.https.url"),
        ({"upload.https.url": f"https://host/?t={PASSWORD}"}, "upload.https.url"),
    ],
)
def test_in_the_wrong_file(changes, path):
    errors = errors_of(changes)
    assert path in [error[0] for error in errors]
    assert PASSWORD not in str(errors)
    if "url" not in path:
        assert "secrets.json" in next(error[2] for error in errors if error[0] == path)


@pytest.mark.parametrize("name", ["keyboard", "monkey", "compass", "passive", "author", "device", "rate_hz", "wifi"])
def test_ordinary_names(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("secrets", "paths"),
    [
        ({"https_token": 1234567890123}, ["https_token"]),
        ({"mqtt_password": "short"}, ["mqtt_password"]),
        ({"https_token": "secret1"}, ["https_token"]),
        ({"https_token": "se cret secret"}, ["https_token"]),
        ({"wifi": {"home": "secret1"}}, ["wifi.home"]),
        ({"wifi": {"home": 1234567890123}}, ["wifi.home"]),
        ({"wifi": ["secret1"]}, ["wifi"]),
        ({"tokn": "secret1"}, ["tokn"]),
        (["secret1"], [""]),
        ("secret1", [""]),
    ],
)
def test_values_are_not_repeated(secrets, paths):
    _, errors = check_secrets(json.dumps(secrets).encode())
    assert [error[0] for error in errors] == paths
    assert "secret1" not in str(errors) and "1234567890123" not in str(errors)


def test_missing_password():
    config = {"network": {"wifi": ["home", "work", "guest"]}}
    errors = list(missing(config, {"wifi": {"home": PASSWORD, "guest": None}, "https_token": None}))
    assert [error[0] for error in errors] == ["network.wifi.1"]
    config = {"upload": {"mqtt": {"user": "me"}}}
    assert [error[0] for error in missing(config, {"mqtt_password": None})] == ["upload.mqtt.user"]
    assert not list(missing(config, {"mqtt_password": PASSWORD}))


def test_the_name_of_a_file_with_a_key_is_no_secret():
    assert list(misplaced({"upload": {"mqtt": {"key_file": "/key.der"}}})) == []
    assert [error[0] for error in misplaced({"upload": {"mqtt": {"key": "x"}}})] == ["upload.mqtt.key"]


@given(place=st.sampled_from(["device", "board", "storage.root", "streams.NAME", "network.wifi", "upload.https.url"]))
def test_a_secret_in_an_innocent_text_is_found(place):
    config = {"device": "d", "storage": {"root": "/"}, "upload": {"https": {"url": ""}}, "streams": {}}
    owner = config
    *parents, last = place.split(".")
    for part in parents:
        owner = owner.setdefault(part, {})
    owner[PASSWORD if last == "NAME" else last] = [PASSWORD] if last == "wifi" else f"x-{PASSWORD}"
    secrets = {"wifi": {"home": PASSWORD}, "https_token": None}
    errors = list(repeated(config, secrets))
    assert errors and PASSWORD not in str(errors)
    assert not list(repeated(config, {"wifi": {}, "https_token": "0123456789"}))


@given(extra=st.dictionaries(st.sampled_from(["token", "secrets", "wifi", "x"]), st.just(PASSWORD)), deep=st.booleans())
@settings(deadline=None)
def test_public_knows_only_known_keys(extra, deep):
    config, errors = check(json.dumps(BASE).encode())
    assert errors == []
    assert public(config) == config and public(config) is not config
    (config["upload"]["https"] if deep else config).update(extra)
    config["upload"]["https"]["url"] = f"https://me:{PASSWORD}@host:1/x?t={PASSWORD}"
    shown = public(config)
    assert PASSWORD not in json.dumps(shown)
    assert shown["upload"]["https"]["url"] == "https://host:1/x"
