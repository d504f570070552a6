"""The configuration's SD card, mounted at /sd."""

import time

from storage.card import Volume

PATH = "/sd"
RETRY_S = 5


def open_volume(card, buses, log):
    """-> the storage.card.Volume for `storage.card` of the configuration, mounted. Waits for the card: without it the
    board has nothing to do.
    """

    def open_driver():
        try:
            return _open_driver(card, buses)
        except (ImportError, AttributeError) as error:
            raise OSError("this firmware has no driver for the card: %s" % error) from None

    volume = Volume(PATH, open_driver)
    while True:
        try:
            volume.ready()
            return volume
        except OSError as error:
            log("%s: tried again in %d s" % (error, RETRY_S))
        time.sleep(RETRY_S)


def _open_driver(card, buses):
    """A driver, whose constructor initialises the card. OSError: there is none, or it does not answer."""
    import machine

    if card["bus"] is None:
        return machine.SDCard()
    import sdcard

    spec = buses[card["bus"]]
    sck, mosi, miso = [machine.Pin(spec[role]) for role in ("sck", "mosi", "miso")]
    spi = machine.SPI(spec["id"], baudrate=spec["freq_hz"], sck=sck, mosi=mosi, miso=miso)
    return sdcard.SDCard(spi, machine.Pin(card["cs"], machine.Pin.OUT, value=1), baudrate=spec["freq_hz"])
