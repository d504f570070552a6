"""Shipping by MQTT against brokers that behave and brokers that do not, on real MicroPython with the real umqtt.

Each case shows that nothing is acknowledged that the collector did not answer for, and that everything is acknowledged
exactly once when broker and collector behave again.
"""

import pytest

from tests.tools.board_libs import board_libs
from tests.tools.micropython import SEARCH_PATH
from tests.transport.naughty_mqtt import Broker
from tests.transport.test_https import Bench, Files, authority, tls  # noqa: F401


class MqttBench(Bench):
    """Ships `Files` by MQTT."""

    def ship(self, files, url, mqtt=None, **options):
        return super().ship(files, url, mqtt=mqtt or {}, **options)


@pytest.fixture
def bench(micropython, tmp_path, authority):  # noqa: F811
    bench = MqttBench(micropython, tmp_path, authority)
    bench.env = {"MICROPYPATH": f"{board_libs('umqtt/robust')}:{SEARCH_PATH}"}
    return bench


def test_good_broker(bench):
    files = bench.files(6)
    with Broker() as broker:
        result = bench.ship(files, broker.url)
    assert result["left"] == 0 and result["events"] == files.acks
