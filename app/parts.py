"""From the configuration to objects: the one place that knows which driver a name stands for."""

import machine

from app.ring import BlockRing
from app.stream import Stream
from storage.segment import StreamInfo


def open_bus(spec):
    """-> ``machine.I2C`` or ``machine.SPI`` for an entry of the configuration's ``buses``."""
    if spec["kind"] == "i2c":
        return machine.I2C(spec["id"], scl=machine.Pin(spec["scl"]), sda=machine.Pin(spec["sda"]), freq=spec["freq_hz"])
    return machine.SPI(
        spec["id"],
        baudrate=spec["freq_hz"],
        sck=machine.Pin(spec["sck"]),
        mosi=machine.Pin(spec["mosi"]),
        miso=machine.Pin(spec["miso"]),
    )


def _imu(spec, buses):
    name = spec["driver"]
    driver = getattr(__import__("drivers." + name, None, None, (name,)), IMUS[name])
    pin = spec["int_pin"]
    cs = spec["cs"]
    more = {}
    if spec["measure"] is not None:
        more["measure"] = tuple(spec["measure"])
    if spec["config_file"] is not None:
        more["config_file"] = spec["config_file"]
    return driver(
        buses[spec["bus"]],
        address=spec["address"],
        cs=None if cs is None else machine.Pin(cs, machine.Pin.OUT, value=1),
        int_pin=None if pin is None else machine.Pin(pin, machine.Pin.IN),
        rate_hz=spec["rate_hz"],
        accel_range_g=spec["accel_range_g"],
        gyro_range_dps=spec["gyro_range_dps"],
        **more,
    )


def _i2s_mic(spec, buses):
    from drivers.i2s_mic import I2SMic, open_i2s

    pins = {key: spec[key] for key in ("sck", "ws", "sd")}
    rate_hz = spec["rate_hz"]
    ibuf_bytes = spec["ibuf_bytes"]

    def port():
        return open_i2s(spec["id"], rate_hz=rate_hz, ibuf_bytes=ibuf_bytes, **pins)

    port().deinit()  # wrong pins are found now, not when recording starts
    return I2SMic(port, rate_hz=rate_hz, part=spec["part"], shift=spec["shift"], ibuf_bytes=ibuf_bytes)


def _pdm_mic(spec, buses):
    from drivers.pdm_mic import PDMMic, open_pdm

    source = open_pdm(**{key: spec[key] for key in ("id", "clk", "data", "right", "rate_hz", "ring_bytes")})
    return PDMMic(source, rate_hz=spec["rate_hz"], gain_bits=spec["gain_bits"], startup_ms=spec["startup_ms"])


def _host_mic(spec, buses):
    from drivers.host_mic import HostMic

    return HostMic(spec["source"], rate_hz=spec["rate_hz"])


IMUS = {  # module: class
    "bmi160": "BMI160",
    "bmi270": "BMI270",
    "icm42688": "ICM42688",
    "ism330dhcx": "ISM330DHCX",
    "lis2dh12": "LIS2DH12",
    "lis3dh": "LIS3DH",
    "lsm6ds3trc": "LSM6DS3TRC",
    "lsm6dso32": "LSM6DSO32",
    "lsm6dsox": "LSM6DSOX",
    "mpu6050": "MPU6050",
    "mpu6886": "MPU6886",
}
MICS = {  # name: what makes it
    "i2s_mic": _i2s_mic,
    "pdm_mic": _pdm_mic,
    "host_mic": _host_mic,
}


def _edge(driver, spec):
    """-> the time stamps of the chip's watermark interrupt; None when it is not wired, or the chip has none."""
    pin = spec.get("int_pin")
    if pin is None or not getattr(driver, "watermark", 0):
        return None
    from app.edge import Edge

    driver.watermark = min(spec["block_frames"], driver.fifo_frames // 4)
    return Edge(machine.Pin(pin, machine.Pin.IN), driver.watermark)


def _stream(name, spec, buses, clock):
    """-> app.stream.Stream for an entry of the configuration's `streams`."""
    is_imu = spec["driver"] in IMUS
    driver = (_imu if is_imu else MICS[spec["driver"]])(spec, buses)
    info = StreamInfo(
        name,
        "npy" if is_imu else "wav",
        driver.channels,
        driver.units,
        driver.scale,
        driver.rate_hz,
        spec["segment_frames"],
    )
    ring = BlockRing(spec["block_frames"] * driver.frame_bytes, spec["ring_blocks"])
    return Stream(driver, ring, info, clock, spec["block_frames"], _edge(driver, spec))


def build_streams(config, clock, log):
    """-> (streams, {name: why it is absent}). A missing chip stops only its own stream."""
    buses = {name: open_bus(spec) for name, spec in config["buses"].items()}
    streams = []
    absent = {}
    for name, spec in config["streams"].items():
        try:
            streams.append(_stream(name, spec, buses, clock))
        except (OSError, ValueError) as error:
            absent[name] = str(error)
            log("stream %s is absent: %s" % (name, error))
    return streams, absent
