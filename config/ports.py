"""What each MicroPython port can do asleep, by its `sys.platform`. Laptop and board read the same table.

Sources are in docs/sleep.md. `pyboard` is STM32, `linux` the virtual board.

    light           machine.lightsleep(ms) keeps RAM and ends by itself
    light_max_ms    the longest that it takes
    light_records   time stamps stay true over it, so that sensors may fill their FIFOs meanwhile
    ticks_stop      ticks_us stands still in it
    deep            "off": machine.deepsleep(ms) switches off and resets; "reset": what comes closest is light sleep and
                    then a reset; None: there is nothing usable
    pins            deep sleep ends when one of several chosen pins goes high
    rtc             unit of machine.RTC().datetime()[7]: "us", "/256" (counting down from 255), or None (whole seconds)
    rtc_stays       the RTC goes on over deep sleep
    drift_ppm       bound of the RTC's error while asleep, as long as nobody measured it, ...
    wander_ppm      ... and how far it may stray from what was measured
    watchdog_sleeps the watchdog stands still in both sleeps; otherwise light sleep is cut into pieces, and deep sleep
                    ("off") is impossible while it runs
"""

_NONE = {
    "light": False,
    "light_max_ms": 0,
    "light_records": False,
    "ticks_stop": False,
    "deep": None,
    "pins": False,
    "rtc": None,
    "rtc_stays": False,
    "drift_ppm": 100,
    "wander_ppm": 20,
    "watchdog_sleeps": False,
}
_ESP32 = {
    "light": True,
    "light_max_ms": 500000,
    "light_records": True,
    "deep": "off",
    "pins": True,
    "rtc": "us",
    "rtc_stays": True,
    "drift_ppm": 50000,
    "wander_ppm": 5000,
    "watchdog_sleeps": True,
}
_RP2 = {"light": True, "light_max_ms": 500000, "light_records": True, "deep": "reset", "pins": True}
_STM32 = {
    "light": True,
    "light_max_ms": 500000,
    "ticks_stop": True,
    "deep": "off",
    "rtc": "/256",
    "rtc_stays": True,
    "drift_ppm": 200,
    "wander_ppm": 50,
}
_MIMXRT = {"deep": "off", "rtc_stays": True, "drift_ppm": 200, "wander_ppm": 50}
_SAMD = {"light": True, "light_max_ms": 500000}
_VIRTUAL = {"drift_ppm": 500, "wander_ppm": 50}

_OF_PLATFORM = {
    "esp32": _ESP32,
    "rp2": _RP2,
    "pyboard": _STM32,
    "mimxrt": _MIMXRT,
    "samd": _SAMD,
    "linux": (_ESP32, _VIRTUAL),
}


def port(platform):
    """-> the table's row of a port, as a dict with all keys; a port that is not in it has no usable sleep."""
    row = dict(_NONE)
    parts = _OF_PLATFORM.get(platform, {})
    for part in parts if isinstance(parts, tuple) else (parts,):
        row.update(part)
    return row
