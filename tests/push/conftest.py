"""A board on a busy machine may take long to start."""

import pytest


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr("host.push.install.START_S", 120)
