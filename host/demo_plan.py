"""What a demo run records: the sensors' sources, the configuration that fits them, and the world to wire them into."""

import json
import math
import secrets
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config.chips import CHIPS
from host import check, mistakes

EXAMPLE = Path(__file__).parent.parent / "config" / "examples" / "virtual.json"
IMU_RATE_RATIO = 1.0213  # an LSM6DSOX may be off by a few percent; the recorder must find out
MIC_RATE_RATIO = 1.0  # I2S is clocked by the board itself
I2C_BITS_PER_WORD = 9 * 7  # one tagged FIFO word on the wire
I2C_BITS_PER_S = 400_000
FLASH_KB = (256, 65536)  # the code alone takes 150 KB; the image is a file on the laptop, held in its memory
SPI = {"kind": "spi", "id": 1, "sck": 18, "mosi": 23, "miso": 19, "freq_hz": 8_000_000}


class PlanError(Exception):
    """A user's mistake, in one sentence."""


@dataclass
class Source:
    """What a sensor is fed with. ``frames``: int16, shape (n, channels), played from the top again when it ends."""

    name: str
    file: Path | None
    frames: np.ndarray
    resampled_from_hz: int | None = None

    def compare(self, stream) -> dict:
        """Are the stored frames exactly the source's, each in the place that its frame number says?"""
        numbers, stored = stream.numbered_frames()
        n = len(self.frames)
        wanted = self.frames[numbers % n]
        different = np.flatnonzero((stored.reshape(wanted.shape) != wanted).any(axis=1))
        made = int(numbers[-1]) + 1 if len(numbers) else 0
        end = (
            "fewer frames than the source"
            if made < n
            else "started again from the top"
            if made > n
            else "exactly the source"
        )
        what = self.file.name if self.file else "synthesised"
        verdict = "identical" if not len(different) else f"DIFFERENT from frame {numbers[different[0]]} on"
        return {
            "file": str(self.file) if self.file else None,
            "frames": n,
            "end": end,
            "passes": round(made / n, 3),
            "resampled_from_hz": self.resampled_from_hz,
            "identical": not len(different),
            "text": f"{what} ({n} frames, {end}): {verdict}",
        }


@dataclass
class Plan:
    config: dict
    world: dict
    token: str
    sources: dict[str, Source]


def make(args, work: Path) -> Plan:
    """-> the plan for ``deploy.py demo``'s arguments. Raises PlanError."""
    _check_numbers(args)
    imu = _imu_source(args.imu, args.imu_rate)
    mic, mic_rate = _mic_source(args.mic, args.mic_rate)
    config = json.loads(EXAMPLE.read_text())
    config.pop("$schema", None)
    config["device"] = "demo"
    config["schedule"] = {"duration_s": args.seconds}
    config["upload"] = {
        "https": {"url": "https://127.0.0.1:1", "ca_file": "/ca.der"},
        "interval_s": 1,
        "backoff_max_s": 5,
    }
    _fit_imu(config["streams"]["imu"], config["buses"], args.imu_rate, imu.frames.shape[1])
    _fit_mic(config["streams"]["mic"], mic_rate)
    token = secrets.token_urlsafe(24)
    errors = check.problems(config, {"https_token": token})
    if errors:
        raise PlanError("; ".join(errors))
    np.save(work / "imu.npy", imu.frames)
    _save_wav(work / "mic.wav", mic.frames, mic_rate)
    return Plan(config, _world(args, config, work), token, {"imu": imu, "mic": mic})


def _check_numbers(args) -> None:
    """Before anything is synthesised or resampled: each number is one that the board can do."""
    if not 0.5 <= args.seconds <= 86400:
        raise PlanError(f"--seconds {args.seconds:g}: from 0.5 to 86400")
    if not FLASH_KB[0] <= args.flash_kb <= FLASH_KB[1]:
        raise PlanError(f"--flash-kb {args.flash_kb}: from {FLASH_KB[0]} to {FLASH_KB[1]}")
    rates = CHIPS["lsm6dsox"]["rates_hz"]
    if args.imu_rate not in (*rates, *CHIPS["lsm6dsox"]["same_rate_hz"]):
        raise PlanError(f"--imu-rate {args.imu_rate:g}: the LSM6DSOX has {', '.join(f'{rate:g}' for rate in rates)}")
    if args.mic_rate is not None:
        _check_mic_rate(args.mic_rate, f"--mic-rate {args.mic_rate}")


def _check_mic_rate(rate_hz: int, where: str) -> None:
    lowest, highest = CHIPS["i2s_mic"]["min_rate_hz"], CHIPS["i2s_mic"]["max_rate_hz"]
    if not lowest <= rate_hz <= highest:
        raise PlanError(f"{where}: from {lowest} to {highest} Hz")


def _imu_source(path: Path | None, rate_hz: float) -> Source:
    if path is None:
        return Source("imu", None, _motion(rate_hz))
    try:
        frames = _load_npy(path)
    except (OSError, ValueError, MemoryError) as error:
        raise PlanError(f"--imu {mistakes.about(path, error, 'not a readable .npy file')}") from None
    if frames.dtype != np.dtype("<i2") or frames.ndim != 2 or frames.shape[1] not in (3, 6) or not len(frames):
        raise PlanError(f"--imu {path}: is {frames.dtype} {frames.shape}; int16 (n, 3) or (n, 6) with n > 0 is needed")
    return Source("imu", path, np.ascontiguousarray(frames))


def _load_npy(path: Path) -> np.ndarray:
    """OSError or ValueError when it is not a .npy file; `numpy.load` would guess at pickles and .npz."""
    with path.open("rb") as file:
        if file.read(6) != np.lib.format.MAGIC_PREFIX:
            raise ValueError("it does not begin like one")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def _mic_source(path: Path | None, rate_hz: int | None) -> tuple[Source, int]:
    if path is None:
        rate_hz = 16000 if rate_hz is None else rate_hz
        return Source("mic", None, _sound(rate_hz)), rate_hz
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, file_rate, n = file.getparams()[:4]
            data = file.readframes(n)
    except (OSError, EOFError, wave.Error) as error:
        raise PlanError(f"--mic {mistakes.about(path, error, 'not a readable .wav file')}") from None
    if channels != 1 or width != 2 or not data:
        raise PlanError(
            f"--mic {path}: {channels} channel(s) of {8 * width} bits, {n} frames; mono 16-bit with frames is needed"
        )
    frames = np.frombuffer(data[: len(data) // 2 * 2], "<i2").reshape(-1, 1)
    if rate_hz in (None, file_rate):
        _check_mic_rate(file_rate, f"--mic {path}: has {file_rate} Hz, name another --mic-rate")
        return Source("mic", path, frames), file_rate
    return Source("mic", path, _resample(frames, file_rate, rate_hz), resampled_from_hz=file_rate), rate_hz


def _resample(frames: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = math.gcd(from_hz, to_hz)
    resampled = resample_poly(frames[:, 0].astype(float), to_hz // common, from_hz // common)
    return np.clip(np.round(resampled), -32768, 32767).astype("<i2").reshape(-1, 1)


def _fit_imu(stream: dict, buses: dict, rate_hz: float, columns: int) -> None:
    """Blocks that fit half the FIFO, a ring of a fifth of a second, segments of about 2.5 seconds."""
    words = columns // 3
    stream["rate_hz"] = rate_hz
    stream["measure"] = ["accel", "gyro"][:words]
    stream["block_frames"] = 16 if rate_hz < 200 else 64
    _fit_ring(stream, rate_hz)
    if rate_hz * words * I2C_BITS_PER_WORD > 0.7 * I2C_BITS_PER_S:
        buses.clear()
        buses["spi1"] = SPI
        stream.update(bus="spi1", cs=5)
        stream.pop("address", None)


def _fit_mic(stream: dict, rate_hz: int) -> None:
    stream["rate_hz"] = rate_hz
    stream["block_frames"] = 1024
    stream["ibuf_bytes"] = min(max(40000, 8 * rate_hz), 80000)  # up to a second: a busy laptop may stall the board
    _fit_ring(stream, rate_hz)


def _fit_ring(stream: dict, rate_hz: float) -> None:
    block = stream["block_frames"]
    stream["ring_blocks"] = max(4, math.ceil(0.2 * rate_hz / block))
    stream["segment_frames"] = max(4, math.ceil(2.5 * rate_hz / block)) * block


def _world(args, config: dict, work: Path) -> dict:
    """What is wired to the virtual board."""
    imu = config["streams"]["imu"]
    bus = config["buses"][imu["bus"]]
    place = {"cs": imu["cs"]} if bus["kind"] == "spi" else {"address": imu["address"]}
    chip = {
        "chip": "lsm6dsox",
        **place,
        "int_pin": imu["int_pin"],
        "source": {"file": str(work / "imu.npy")},
        "rate_ratio": IMU_RATE_RATIO,
    }
    mic = config["streams"]["mic"]
    return {
        "clock": args.clock,
        "rtc": "host",
        "flash": {"size_kb": args.flash_kb, "block_size": 4096},
        bus["kind"]: {str(bus["id"]): [chip]},
        "i2s": {
            str(mic["id"]): {
                "source": {"file": str(work / "mic.wav")},
                "shift": mic["shift"],
                "rate_ratio": MIC_RATE_RATIO,
            }
        },
    }


def _save_wav(path: Path, frames: np.ndarray, rate_hz: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(frames.astype("<i2").tobytes())


def _motion(rate_hz: float, seconds: float = 12) -> np.ndarray:
    """-> int16 (n, 6) at +-4 g and +-500 deg/s: a hand at rest that waves now and then."""
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    random = np.random.default_rng(1)
    wave_now = np.clip(np.sin(2 * np.pi * t / 4) * 3 - 1.5, 0, 1)
    swing = np.sin(2 * np.pi * 2.2 * t) * wave_now
    accel = (
        np.stack([0.9 * swing, 0.35 * np.cos(2 * np.pi * 2.2 * t) * wave_now, 1 + 0.25 * swing**2], axis=1) / 0.122e-3
    )
    gyro = np.stack([40 * swing, 220 * np.cos(2 * np.pi * 2.2 * t) * wave_now, -90 * swing], axis=1) / 17.5e-3
    noise = random.normal(0, [6, 6, 6, 4, 4, 4], (len(t), 6))
    return np.clip(np.round(np.hstack([accel, gyro]) + noise), -32768, 32767).astype("<i2")


def _sound(rate_hz: int, seconds: float = 8) -> np.ndarray:
    """-> int16 (n, 1): two chirps and a fading chord over faint noise."""
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    random = np.random.default_rng(2)
    chirp = np.sin(2 * np.pi * (300 * t + 150 * (t % 2) ** 2)) * (np.sin(np.pi * (t % 2) / 2) ** 4)
    chord = sum(np.sin(2 * np.pi * f * t) for f in (440, 554, 659)) / 3 * np.exp(-((t % 4) * 1.5))
    sound = 9000 * chirp + 12000 * chord + random.normal(0, 60, len(t))
    return np.clip(np.round(sound), -32768, 32767).astype("<i2").reshape(-1, 1)
