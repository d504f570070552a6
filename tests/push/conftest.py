"""A board on a busy machine may take long to start, and to answer."""

import pytest

from tests.virtual.console_client import be_patient


@pytest.fixture(autouse=True)
def patience(monkeypatch, tmp_path):
    be_patient(monkeypatch)
    monkeypatch.setattr("host.pull.files.partial_folder", lambda: tmp_path / "partial")
