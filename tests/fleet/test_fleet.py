"""A small fleet with workers that are killed; the large one is `python -m tests.fleet.proof` (docs/fleet.md)."""

import asyncio

import pytest

from host import verify
from tests.fleet import proof
from tests.tools import mosquitto
from tests.tools.s3 import S3

pytestmark = pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)


def check(result: dict) -> None:
    for key in ("lost", "changed", "strange"):
        assert result[key] == [], result
    assert result["unanswered"] == 0 and result["kills"] >= 1


def test_nothing_is_lost_or_doubled_while_workers_are_killed(tmp_path):
    (tmp_path / "broker").mkdir()
    url = (tmp_path / "store").as_uri()
    result = asyncio.run(
        proof.prove(url, {}, tmp_path / "broker", devices=40, sessions=6, workers=2, kills=2)
    )
    check(result)
    report = verify.verify(tmp_path / "store")
    assert report.ok and len(report.streams) == 40 * 6 * 2


@pytest.mark.slow
def test_the_same_with_an_s3_server(tmp_path):
    with S3() as server:
        check(
            asyncio.run(
                proof.prove(
                    server.url("x"), server.environment, tmp_path, devices=30, sessions=1, workers=3, kills=3
                )
            )
        )
