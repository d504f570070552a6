"""The board's `network`: a WLAN whose access points all let us in, except while the world's `network.down_s` says
otherwise.
"""

from hardware import board

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000  # the values are the ESP32 port's
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
_CONNECT_US = 700000  # DHCP included


def _down():
    seconds = board.life.now() / 1000000
    return any(start <= seconds < end for start, end in board.world.get("network", {}).get("down_s", ()))


class WLAN:
    """As network.WLAN on ESP32. Packets really go over the host's network, also while this says that the link is
    down.
    """

    IF_STA = STA_IF
    IF_AP = AP_IF
    _active = False
    _since = None  # us, of the last connect()
    _ssid = None
    _static = None

    def __init__(self, interface=STA_IF):
        if interface != STA_IF:
            raise ValueError("the virtual board has a station interface only")

    def active(self, is_active=None):
        """Whether the radio is on, or switch it."""
        if is_active is None:
            return WLAN._active
        WLAN._active = bool(is_active)
        board.life.radio("wifi", WLAN._active)
        if not is_active:
            WLAN._since = WLAN._static = None

    def connect(self, ssid=None, key=None, *, bssid=None):
        """Start to connect."""
        if not WLAN._active:
            raise OSError("Wifi Not Started")
        WLAN._ssid = ssid
        WLAN._since = board.clock.now()

    def disconnect(self):
        """Leave the access point."""
        WLAN._since = None

    def isconnected(self):
        """True once connected with an address."""
        return self.status() == STAT_GOT_IP

    def status(self, param=None):
        """STAT_IDLE, STAT_CONNECTING or STAT_GOT_IP; or the signal strength in dBm for "rssi"."""
        if param == "rssi":
            if not self.isconnected():
                raise OSError("STA must be connected")
            return board.world.get("network", {}).get("rssi", -60)
        if WLAN._since is None:
            return STAT_IDLE
        if _down() or board.clock.now() - WLAN._since < _CONNECT_US:
            return STAT_CONNECTING
        return STAT_GOT_IP

    def ifconfig(self, config=None):
        """(address, netmask, gateway, DNS), or set them: no DHCP until the radio is switched off."""
        if config is not None:
            WLAN._static = tuple(config)
        elif not self.isconnected():
            return ("0.0.0.0",) * 4
        else:
            return WLAN._static or ("127.0.0.1", "255.0.0.0", "0.0.0.0", "0.0.0.0")

    def scan(self):
        """[(ssid, bssid, channel, RSSI, security, hidden)] of the world's `network.scan`."""
        if _down():
            return []
        return [(name.encode(), bytes(6), 1, -60, 3, False) for name in board.world.get("network", {}).get("scan", ())]

    def config(self, *args, **kwargs):
        """Parameters of the interface: the ones that a program commonly asks for."""
        if kwargs:
            return None
        return {"mac": bytes.fromhex("024d6f746500"), "ssid": WLAN._ssid or "", "pm": 0}[args[0]]


def hostname(name=None):
    """The board's name in the network."""
    return "virtual"


def country(code=None):
    """The radio's regulatory domain."""
    return "XX"
