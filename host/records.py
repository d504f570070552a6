"""The JSON files of a session as models: sidecar, session.json, ledger.json (docs/architecture.md, Files).

Unknown keys are let through, so that an older laptop reads the data sets of a newer board; known ones are checked
strictly.
"""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Count = Annotated[int, Field(ge=0, le=2**53)]
Microseconds = Annotated[int, Field(ge=-(2**62), le=2**62)]
Cause = Literal["fifo", "ring", "flash", "bus", "sleep", "power", "retention"]


class Anchor(NamedTuple):
    """Frame number `frame` was the newest in the sensor at `t_us` on the board's clock."""

    frame: Annotated[int, Field(ge=-1, le=2**53)]
    t_us: Microseconds


class Gap(NamedTuple):
    """`lost` frames (None: nobody knows how many) from frame number `frame` on are not in the data set, because of
    `cause`.
    """

    frame: Count
    lost: Count | None
    cause: Cause


class Dropped(NamedTuple):
    """Segments from `first_seq` to `last_seq` (inclusive) that the board removed to make room; `frames` were stored
    in them.

    A board that runs out of places merges neighbours, so that the span may hold segments that were not removed.
    """

    first_seq: Count
    last_seq: Count
    first_frame: Count
    end_frame: Count
    frames: Count


class ClockFix(NamedTuple):
    """At `t_us` on the board's clock it was `utc_us` after 1970-01-01T00:00:00Z, as `source` says."""

    t_us: Microseconds
    utc_us: Microseconds
    uncertainty_us: int | None
    source: str


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Ledger(_Model):
    """The running account of a stream: `expected` frames were made by the sensor, `stored` and `lost` say where they
    are.
    """

    expected: Count
    stored: Count
    lost: dict[Cause, Count]
    unknown: Count

    def lost_frames(self) -> int:
        return sum(self.lost.values())


class StreamLedger(Ledger):
    """A stream's final account, in ledger.json. `tail`: the gaps behind the last segment. `dropped`: see Dropped.
    `lost_exact`: False when the sensor could not say how many frames were lost, and the clock had to.
    """

    segments: Count
    end_frame: Count
    tail: list[Gap]
    dropped: list[Dropped] = []
    lost_exact: bool = True


class _Channels(_Model):
    """What a frame is made of; `scale`: physical value of one count, per channel, in `units`."""

    channels: Annotated[list[str], Field(min_length=1)]
    units: list[str]
    scale: list[Annotated[float, Field(allow_inf_nan=False)]]
    rate_hz: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def one_each(self):
        if not len(self.channels) == len(self.units) == len(self.scale):
            raise ValueError(f"{len(self.channels)} channels, {len(self.units)} units, {len(self.scale)} scales")
        return self


class StreamInfo(_Channels):
    """What session.json says of a stream."""

    ext: Literal["npy", "wav"]
    segment_frames: Count


class Sidecar(_Channels):
    """One finished segment."""

    format: Literal[1]
    device: str
    session: str
    stream: str
    seq: Count
    file: str
    first_frame: Count
    frames: Count
    end_frame: Count
    rate_measured_hz: float | None
    residual_us: float | None = None  # the anchors' rms distance from the board's own line; older boards gave none
    anchors: list[Anchor]
    gaps: list[Gap]
    clock_fixes: list[ClockFix]
    bytes: Count
    crc32: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    reason: str
    ledger: Ledger


class SessionFile(_Model):
    """session.json: who recorded what, with which configuration. `damaged`: a board had to make it again from the
    sidecars.
    """

    format: Literal[1]
    device: str
    session: str
    started_t_us: int
    clock_fixes: list[ClockFix]
    streams: dict[str, StreamInfo]
    damaged: bool = False


class LedgerFile(_Model):
    """ledger.json: the end of a session. `ended_t_us` is None when a later start had to write it."""

    format: Literal[1]
    device: str
    session: str
    reason: str
    ended_t_us: int | None
    streams: dict[str, StreamLedger]


Model = TypeVar("Model", bound=BaseModel)


class RecordError(ValueError):
    """A JSON file cannot be used; the text lists every place that is wrong."""


def load(model: type[Model], path: Path) -> Model:
    """The file as `model`; raises `RecordError` with all problems in one sentence."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror})") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, p['loc'])) or 'the file'}: {p['msg']}" for p in error.errors()]
        raise RecordError("; ".join(problems)) from None
