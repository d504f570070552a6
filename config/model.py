"""The configuration and the secrets file as a model: the one source of every field's rule, default and meaning.

Laptop only (pydantic). `python -m config.generate` makes `schema.json` (for editors) and `rules.py` (for the board);
rules between fields are in `checks.py`. Only what the board can check is used here: types, ranges, lengths, choices and
patterns of one form, `^[first][rest]*$`. Nothing is converted: `"8"` or `8.0` is no whole number, `true` no number.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from config.chips import CHIPS
from config.model_base import Name, Pin, Strict
from config.model_running import OnlyIf, Power, Schedule, Stops
from config.strictjson import join

_IMUS = tuple(sorted(name for name, chip in CHIPS.items() if "fifo_frames" in chip))
_MIC = CHIPS["i2s_mic"]
_PDM = CHIPS["pdm_mic"]
_HOST = CHIPS["host_mic"]


def _one_of(*values):
    """A whole number out of a few. (A pydantic Literal would take true for 1 and 4.0 for 4.)"""

    def check(value):
        if value not in values:
            raise ValueError("not one of {}".format(", ".join(str(v) for v in values)))
        return value

    return Annotated[int, AfterValidator(check), Field(json_schema_extra={"enum": list(values)})]


DeviceName = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
BoardName = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9][a-z0-9_]*$")]
FilePath = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[/][A-Za-z0-9_./-]*$")]
Ssid = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")]
Url = Annotated[str, Field(min_length=8, max_length=200, pattern=r"^[h][!-~]*$")]
MqttUrl = Annotated[str, Field(min_length=8, max_length=200, pattern=r"^[m][!-~]*$")]
Topic = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]*$")]
MqttUser = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[ -~][ -~]*$")]
MqttPassword = Annotated[str, Field(min_length=8, max_length=256, pattern=r"^[ -~][ -~]*$")]
Ipv4 = Annotated[str, Field(min_length=7, max_length=15, pattern=r"^[0-9][0-9.]*$")]
HostName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]*$")]
Passphrase = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[ -~][ -~]*$")]
Token = Annotated[str, Field(min_length=8, max_length=256, pattern=r"^[!-~][!-~]*$")]


class I2CBus(Strict):
    """An I2C bus."""

    kind: Literal["i2c"]
    id: Annotated[int, Field(ge=0, le=7)]
    """Number of the board's I2C block."""
    scl: Pin
    sda: Pin
    freq_hz: Annotated[int, Field(ge=10_000, le=1_000_000)] = 400_000
    """Clock in Hz."""


class SPIBus(Strict):
    """An SPI bus; every sensor on it has its own `cs` pin."""

    kind: Literal["spi"]
    id: Annotated[int, Field(ge=0, le=7)]
    """Number of the board's SPI block."""
    sck: Pin
    mosi: Pin
    miso: Pin
    freq_hz: Annotated[int, Field(ge=100_000, le=40_000_000)] = 8_000_000
    """Clock in Hz."""


class Stream(Strict):
    """What every stream has."""

    ring_blocks: Annotated[int, Field(ge=2, le=256)] = 8
    """Blocks in the ring between the sensor and the flash."""


class Imu(Stream):
    """A motion sensor with a FIFO: accelerometer and gyroscope, or an accelerometer alone. What each has: chips.py."""

    driver: Literal[_IMUS]
    """The chip."""
    bus: Name
    """A name from `buses`."""
    address: Annotated[int, Field(ge=8, le=119)] | None = None
    """I2C address (one of two, as the chip is wired); null on SPI."""
    cs: Pin | None = None
    """Chip select pin; null on I2C."""
    int_pin: Pin | None = None
    """Pin wired to the chip's first interrupt output, which wakes the reader earlier; null = the FIFO is polled."""
    rate_hz: Annotated[float, Field(ge=0.5, le=50_000, json_schema_extra={"examples": [26, 50, 100, 104, 200, 208]})]
    """Nominal frames per second, one of the chip's rates."""
    accel_range_g: Annotated[float, Field(ge=1, le=100, json_schema_extra={"examples": [2, 4, 8, 16]})] = 4
    """Full scale of the accelerometer in g, one of the chip's."""
    gyro_range_dps: Annotated[float, Field(ge=1, le=10_000, json_schema_extra={"examples": [250, 500, 1000, 2000]})] = (
        500
    )
    """Full scale of the gyroscope in degrees per second, one of the chip's."""
    measure: Annotated[list[Literal["accel", "gyro"]], Field(min_length=1, max_length=2)] | None = None
    """What to record: channels ax ay az, gx gy gz, or both; null = all that the chip has."""
    config_file: FilePath | None = None
    """File on the board with what the chip's maker wants loaded into it; for the BMI270 only."""
    block_frames: Annotated[int, Field(ge=1, le=4096)] = 32
    """Frames per block of the ring."""
    segment_frames: Annotated[int, Field(ge=16, le=16_777_216)] = 8192
    """Frames per file, a multiple of `block_frames`."""


class I2SMic(Stream):
    """A microphone with an I2S output (INMP441, ICS-43434, ...)."""

    driver: Literal["i2s_mic"]
    id: Annotated[int, Field(ge=0, le=7)]
    """Number of the board's I2S block."""
    sck: Pin
    """Bit clock."""
    ws: Pin
    """Word select."""
    sd: Pin
    """Data from the microphone."""
    rate_hz: Annotated[int, Field(ge=_MIC["min_rate_hz"], le=_MIC["max_rate_hz"])]
    """Nominal samples per second."""
    part: Literal[tuple(_MIC["parts"])] | None = None
    """The microphone: sets the shift, and what of its start-up is left out; null = nothing is."""
    shift: Annotated[int, Field(ge=0, le=_MIC["max_shift"])] | None = None
    """Right shift from the 32-bit slot to the 16-bit sample: 16 keeps the top half, 12 is 24 dB louder; null = the
    part's, 16 without a part."""
    ibuf_bytes: Annotated[int, Field(ge=1024, le=1_048_576)] = 40_000
    """I2S driver buffer in bytes, 8 per sample: 40000 holds 312 ms at 16 kHz."""
    block_frames: Annotated[int, Field(ge=1, le=8192)] = 1024
    """Samples per block of the ring."""
    segment_frames: Annotated[int, Field(ge=16, le=16_777_216)] = 131_072
    """Samples per file, a multiple of `block_frames`."""


class PdmMic(Stream):
    """A microphone with a PDM output, on a board with PIO (RP2040, RP2350)."""

    driver: Literal["pdm_mic"]
    id: Annotated[int, Field(ge=0, le=11)]
    """Number of the PIO state machine."""
    clk: Pin
    """Clock to the microphone, 64 times the rate."""
    data: Pin
    """Bits from the microphone."""
    right: bool = False
    """Whether the microphone's select pin is high."""
    rate_hz: Annotated[int, Field(ge=_PDM["min_rate_hz"], le=_PDM["max_rate_hz"])]
    """Nominal samples per second."""
    gain_bits: Annotated[int, Field(ge=0, le=_PDM["max_gain_bits"])] = 0
    """Each makes it 6 dB louder."""
    startup_ms: Annotated[int, Field(ge=0, le=1000)] = 50
    """Left out at the start, while the microphone wakes up."""
    ring_bytes: _one_of(*_PDM["ring_bytes"]) = 32768
    """Buffer of the bits, 8 bytes per sample: 32768 holds 256 ms at 16 kHz."""
    block_frames: Annotated[int, Field(ge=1, le=8192)] = 1024
    """Samples per block of the ring."""
    segment_frames: Annotated[int, Field(ge=16, le=16_777_216)] = 131_072
    """Samples per file, a multiple of `block_frames`."""


class Server(Strict):
    """A TCP server."""

    host: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~][!-~]*$")]
    """Name or address."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """TCP port."""


class HostSource(Strict):
    """Where a host's sound comes from: one of the three. Mono, 16 bit, little-endian."""

    file: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[ -~][ -~]*$")] | None = None
    """A WAV file, played again and again."""
    pipe: Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[ -~][ -~]*$")] | None = None
    """A shell command, or the path of a pipe; `auto` = the first capture program that is installed."""
    tcp: Server | None = None
    """A server that sends the samples."""


class HostMic(Stream):
    """A microphone of the computer that MicroPython's Unix port runs on."""

    driver: Literal["host_mic"]
    source: HostSource
    """What is listened to."""
    rate_hz: Annotated[int, Field(ge=_HOST["min_rate_hz"], le=_HOST["max_rate_hz"])]
    """Nominal samples per second."""
    block_frames: Annotated[int, Field(ge=1, le=8192)] = 1024
    """Samples per block of the ring."""
    segment_frames: Annotated[int, Field(ge=16, le=16_777_216)] = 131_072
    """Samples per file, a multiple of `block_frames`."""


class Card(Strict):
    """An SD card: on an SPI bus of its own (micropython-lib's sdcard), or in the board's SD slot (machine.SDCard)."""

    bus: Name | None = None
    """A name from `buses`; null = the board's SD slot."""
    cs: Pin | None = None
    """Chip select pin on that bus."""


class Storage(Strict):
    """Where and how recordings are kept on the board."""

    root: FilePath = "/data"
    """Folder for recordings; below `/sd` it is on the card."""
    card: Card | None = None
    """The card at `/sd`; null = there is none."""
    max_kb: Annotated[int, Field(ge=16, le=1_000_000_000)] | None = None
    """Most that recordings may take, in KB; null = all there is."""
    reserve_kb: Annotated[int, Field(ge=0, le=1_000_000)] = 64
    """Room left free for the file system, in KB."""
    when_full: Literal["drop_oldest", "stop"] = "drop_oldest"
    """What gives way: the oldest segment, acknowledged ones first, or the recording."""
    keep_acknowledged: bool = False
    """Keep what the collector has acknowledged until the room is needed."""
    stall_ms: Annotated[int, Field(ge=0, le=60_000)] = 300
    """Longest time in ms that one write may take (erasing flash): every buffer must outlast it."""


class Https(Strict):
    """The collector, reached over HTTPS."""

    url: Url
    """Address of the collector, `https://host:port`; `http://` only on the same machine."""
    ca_file: FilePath | None = None
    """File on the board (DER or PEM) with the certificate that the collector's must be signed by; PEM: or several."""
    cert_file: FilePath | None = None
    """File on the board (DER or PEM) with the board's own certificate, for servers that ask for one."""
    key_file: FilePath | None = None
    """File on the board (DER or PEM) with the private key of `cert_file`."""


class Mqtt(Strict):
    """The collector, reached through an MQTT broker."""

    url: MqttUrl
    """Address of the broker, `mqtts://host[:8883]`; `mqtt://host[:1883]` sends everything in clear text."""
    ca_file: FilePath | None = None
    """File on the board (DER or PEM) with the certificate that the broker's must be signed by."""
    cert_file: FilePath | None = None
    """File on the board (DER or PEM) with the board's own certificate, for brokers that ask for one."""
    key_file: FilePath | None = None
    """File on the board (DER or PEM) with the private key of `cert_file`."""
    user: MqttUser | None = None
    """User name at the broker; the password is `mqtt_password` in secrets.json."""
    topic: Topic = "motelog"
    """What all topics begin with."""
    ack: Literal["collector", "broker"] = "collector"
    """Who says that a recording is safe: the collector that has stored it, or the broker that has taken it."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 60
    """The broker hears from the board at least that often."""
    window: Annotated[int, Field(ge=1, le=16)] = 4
    """Messages sent before the first one is acknowledged."""
    max_message_kb: Annotated[int, Field(ge=16, le=262_143)] = 256
    """The largest message that the broker takes, in KB: a segment must fit into one."""
    status_s: Annotated[float, Field(ge=1, le=86_400)] = 60
    """The status is published that often, and when its state changes."""


class Ble(Strict):
    """Recordings can be fetched over Bluetooth Low Energy, beside other ways or instead of them."""

    name: Annotated[str, Field(min_length=1, max_length=28, pattern=r"^[!-~][ -~]*$")] | None = None
    """Name that is advertised; null = the device's, cut to 28 bytes."""
    pairing: bool = False
    """Only over an encrypted link, which the other side must pair for (firmware with NimBLE)."""
    answer_bytes: Annotated[int, Field(ge=256, le=32_768)] | None = None
    """Longest answer: longer ones are faster; null = what the firmware bears, 2048 (RP2, in RAM) or 16384."""
    advertise_ms: Annotated[int, Field(ge=20, le=10_240)] = 500
    """Time between two advertisements: longer ones take less current and are found later."""


class Upload(Strict):
    """Sending recordings to a collector. All times in seconds."""

    https: Https | None = None
    """Over HTTPS, straight to the collector; null = not."""
    mqtt: Mqtt | None = None
    """Over MQTT, through a broker; null = not."""
    ble: Ble | None = None
    """Fetched over Bluetooth; null = not."""
    bundle: Literal["stored", "deflated"] | None = None
    """Ship small segments as .zip bundles, compressed or not (needs micropython-zipfile); null = file by file."""
    interval_s: Annotated[float, Field(ge=0, le=86_400)] = 5
    """Pause between uploads."""
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 10
    """Longest wait for the network in any one step."""
    backoff_min_s: Annotated[float, Field(ge=0.125, le=3600)] = 1
    """Pause after the first failure; it doubles with each further one."""
    backoff_max_s: Annotated[float, Field(ge=0.125, le=86_400)] = 60
    """Longest pause after failures."""
    max_latency_s: Annotated[int, Field(ge=1, le=31_536_000)] | None = None
    """Recordings wait at most so long for an upload, so that several go at once; null = they do not wait."""
    min_batch_kb: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """An upload begins earlier when so much waits."""
    align_s: Annotated[int, Field(ge=1, le=86_400)] | None = None
    """Uploads begin at multiples of it since midnight, UTC; null = at any time."""
    jitter_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    """Each device begins its uploads later by an amount of its own, below this: a fleet does not come all at once."""
    only_if: OnlyIf | None = None
    """Conditions; null = none."""
    connect_s: Annotated[float, Field(ge=1, le=600)] = 60
    """Longest wait for a network, where uploads have their times."""
    while_recording: bool | None = None
    """Whether uploads may go on while it records; null = where every sensor's own buffer outlasts a TLS handshake,
    and where recordings have no pauses."""


class StaticAddress(Strict):
    """An address of one's own instead of DHCP's."""

    ip: Ipv4
    """The board's address."""
    mask: Ipv4 = "255.255.255.0"
    """Netmask."""
    gateway: Ipv4
    """The router's address."""
    dns: Ipv4
    """The name server's address."""


class Network(Strict):
    """How the board gets onto the network."""

    wifi: Annotated[list[Ssid], Field(max_length=8)] = []
    """Names of Wi-Fi networks, best first; their passwords are in secrets.json."""
    static: StaticAddress | None = None
    """The same address in every network; null = DHCP gives one."""
    ntp: Annotated[list[HostName], Field(max_length=4)] = []
    """Time servers, such as pool.ntp.org: the recordings' clock is compared with theirs once an hour."""


Bus = Annotated[I2CBus | SPIBus, Field(discriminator="kind")]
AnyStream = Annotated[Imu | I2SMic | PdmMic | HostMic, Field(discriminator="driver")]


class Config(Strict):
    """A Motelog configuration: what one board records, keeps and sends."""

    json_schema: Annotated[str, Field(alias="$schema", max_length=200, exclude=True)] = ""
    """For editors: `schema.json` of this folder."""
    version: _one_of(1)
    """Version of this format."""
    device: DeviceName
    """Name of this device; recordings are filed under it."""
    board: BoardName
    """Name of a file in `config/boards`."""
    buses: dict[Name, Bus] = {}
    """I2C and SPI buses by name."""
    streams: Annotated[dict[Name, AnyStream], Field(min_length=1)]
    """What to record, by name; files are called after it."""
    storage: Storage = Storage()
    upload: Upload | None = None
    """null = recordings stay on the board."""
    network: Network = Network()
    schedule: Schedule = Schedule()
    power: Power = Power()
    """Battery and watchdog."""
    stops: Stops = Stops()
    """What ends a recording that has gone wrong, and what follows."""


class Secrets(Strict):
    """What only the board and its owner may know. It never reaches a session file, a log or a data set."""

    wifi: dict[Ssid, Passphrase | None] = {}
    """Password of each Wi-Fi network; null = an open network."""
    https_token: Token | None = None
    """Bearer token that the collector expects."""
    mqtt_password: MqttPassword | None = None
    """Password of `upload.mqtt.user` at the broker."""


_MAPS = ("buses", "streams", "wifi")
MODELS = {"config": Config, "secrets": Secrets}


def field_errors(data, kind="config"):
    """The model's verdict on a parsed file: `{path: message}`, empty when all is right. No value is repeated."""
    try:
        MODELS[kind].model_validate(data)
    except ValidationError as error:
        return {_path(e["loc"], e["type"]): e["msg"] for e in error.errors(include_input=False, include_url=False)}
    return {}


def filled(data, kind="config"):
    """A right file's data with every default filled in, as plain dicts and lists."""
    return MODELS[kind].model_validate(data).model_dump(by_alias=True)


def _path(loc, kind):
    """pydantic's location as a path into the file.

    Below a union it names the choice, or `[key]` for a bad name: neither is a part of the file.
    """
    if loc and (loc[0] in _MAPS or loc[:2] == ("schedule", "trigger")):
        loc = loc[:2] + loc[3:]
    path = ""
    for part in loc:
        path = join(path, part)
    if kind.startswith("union_tag"):
        path = join(path, "driver" if loc[0] == "streams" else "kind")
    return path
