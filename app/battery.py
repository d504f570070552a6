"""The battery's charge, from an ADC pin behind a divider."""

REGAIN_PCT = 5  # above stop_pct, before an empty battery counts as charged
READS = 8  # one reading of an ADC is noisy


def battery(spec, log):
    """-> the Battery, or None when none is configured or this port cannot read it."""
    if spec is None:
        return None
    try:
        return Battery(spec)
    except (AttributeError, ValueError, OSError) as error:
        log("the battery is not watched: %s" % error)
        return None


class Battery:
    """`spec`: `power.battery` of the configuration."""

    def __init__(self, spec):
        import machine

        self._spec = spec
        self._adc = machine.ADC(machine.Pin(spec["pin"]))
        pin = spec["charging_pin"]
        self._charging = None if pin is None else machine.Pin(pin, machine.Pin.IN)

    def least_pct(self, was_low):
        """-> the charge below which the board stops, or does not begin again."""
        return self._spec["stop_pct"] + (REGAIN_PCT if was_low else 0)

    def mv(self):
        """-> the battery's voltage in mV."""
        total = 0
        for _ in range(READS):
            total += self._microvolts()
        return int(total * self._spec["divider"] / (1000 * READS))

    def _microvolts(self):
        """At the pin. `read_uv` is calibrated where a port has it; else full scale is taken as 3.3 V."""
        if hasattr(self._adc, "read_uv"):
            return self._adc.read_uv()
        return self._adc.read_u16() * 3300000 // 65535

    def state(self):
        """-> (charge in percent, by a straight line between empty and full; whether it is being charged, or None)."""
        empty = self._spec["empty_mv"]
        pct = (self.mv() - empty) * 100 // (self._spec["full_mv"] - empty)
        return max(0, min(100, pct)), None if self._charging is None else bool(self._charging.value())
