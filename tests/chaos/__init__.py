"""The chaos suite: three transports, one truth (truth.py), whatever breaks on the way (wire.py, or the virtual air).

| what breaks | HTTPS | MQTT | Bluetooth |
|---|---|---|---|
| cut in every message of a connection: first, middle, last byte, before, after | here | here; every byte class of \
transport/test_mqtt.py | here: every packet |
| half-open, stall beyond the deadline, late arrival | here; transport/test_https.py | here | here (slow) |
| acknowledgement doubled, reordered, forged, lost | host/test_delivery.py (lost); transport/test_https.py (unasked) \
| here; transport/test_mqtt.py (forged) | here; host/test_ble_front.py (forged) |
| broker killed with -9, with and without persistence | - | here; fleet/test_fleet.py | - |
| collector killed: bytes written, linked, recorded, not answered | here; test_spine.py | here; fleet/test_fleet.py \
| here (slow) |
| disk full at the collector | here | here | here |
| 1 % random cuts over 500 segments | here (slow) | here (slow) | host/test_ble_front.py (random packets) |
| certificate expired, wrong host, unknown CA | transport/test_https.py, test_extras.py | transport/test_mosquitto.py, \
here (unknown CA) | - |
| credentials refused | transport/test_extras.py | transport/test_mosquitto.py | transport/test_ble.py (pairing) |
| the whole recorder records meanwhile, and no ring overflows | here | here | host/test_ble_front.py (without cuts) |

Power cuts of the board are in storage/test_powercut.py.
"""
