"""The world that fits a configuration: each configured sensor wired where the configuration expects it."""

from pathlib import Path

from config.chips import CHIPS

IMU_RATE_RATIO = 1.0213  # of the true to the nominal rate: oscillators in sensors are off by percents, ...
MIC_RATE_RATIO = 1.0001  # ... I2S is clocked by the board's crystal


def world_for(
    config: dict,
    *,
    imu: Path | None = None,
    mic: Path | None = None,
    clock: str = "real",
    flash_kb: int = 4096,
    flash_image: Path | None = None,
) -> dict:
    """A world (docs/architecture.md) with every stream's sensor; fed from the recordings `imu` and `mic`, or
    synthesised.
    """
    world: dict = {"clock": clock, "rtc": "host", "flash": {"size_kb": flash_kb}, "i2c": {}, "spi": {}, "i2s": {}}
    if flash_image:
        world["flash"]["image"] = str(flash_image.resolve())
    for number, (name, stream) in enumerate(config["streams"].items()):
        if stream["driver"] in ("host_mic", "pdm_mic"):
            continue  # a microphone of the host needs no wire, one on PIO has none here
        if stream["driver"] == "i2s_mic":
            source = {"file": str(mic.resolve())} if mic else {"synth": "tone"}
            shift = _shift(stream)
            world["i2s"][str(stream["id"])] = {"source": source, "shift": shift, "rate_ratio": MIC_RATE_RATIO}
            continue
        bus = config["buses"][stream["bus"]]
        source = {"file": str(imu.resolve())} if imu else {"synth": "motion", "seed": number + 1}
        place = {"address": stream["address"]} if bus["kind"] == "i2c" else {"cs": stream["cs"]}
        chip = {"chip": stream["driver"], **place, "int_pin": stream.get("int_pin"), "source": source}
        chip["rate_ratio"] = IMU_RATE_RATIO
        trigger = (config.get("schedule") or {}).get("trigger") or {}
        if trigger.get("kind") == "motion" and trigger["stream"] == name:  # it feels the same at either of its rates
            source["rate_hz"] = round(stream["rate_hz"])
            chip["motion"] = {"counts_per_g": 32768 // stream.get("accel_range_g", 4)}
        world[bus["kind"]].setdefault(str(bus["id"]), []).append(chip)
    return world


def files_for(config: dict) -> dict[str, bytes]:
    """{"/name": content} of the files that the configured chips want loaded into them, as zeros: the model takes any
    content, and the makers' own is not ours to hand out.
    """
    files = {}
    for stream in config["streams"].values():
        size = CHIPS[stream["driver"]].get("config_bytes")
        if size and stream.get("config_file"):
            files[stream["config_file"]] = bytes(size)
    return files


def _shift(stream: dict) -> int:
    """How far the sample stands above the bottom of the slot, so that the recording is stored as it is."""
    if stream.get("shift") is not None:
        return stream["shift"]
    return CHIPS["i2s_mic"]["parts"][stream["part"]]["shift"] if stream.get("part") else 16
