"""The rules' chip facts are the driver's: drivers may not import the configuration, so the two are compared."""

from config.chips import CHIPS
from config.rules import RULES

STREAMS = RULES["config"][1]["streams"][0][2][2]


def test_every_driver_has_its_facts():
    assert STREAMS.keys() == CHIPS.keys()
