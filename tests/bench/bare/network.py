"""A Wi-Fi station that is always connected: to the host's own network."""

STA_IF = 0


class WLAN:
    def __init__(self, interface):
        pass

    def active(self, is_active=None):
        return True

    def isconnected(self):
        return True

    def connect(self, ssid, key=None):
        pass

    def disconnect(self):
        pass

    def status(self, what=None):
        return -60
