"""A board on a busy machine may take long to answer."""

import pytest

from tests.virtual.console_client import be_patient


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    be_patient(monkeypatch)
