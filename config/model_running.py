"""The part of the configuration's model that says when things happen: schedule, triggers, power and stops. Laptop only;
see `model.py` for what may be used here, and docs/schedule.md for what it means.
"""

from typing import Annotated, Literal

from pydantic import Field

from config.model_base import Name, Pin, Strict

TimeOfDay = Annotated[str, Field(min_length=5, max_length=5, pattern=r"^[0-2][0-9:]*$")]
Instant = Annotated[str, Field(min_length=20, max_length=20, pattern=r"^[2][0-9TZ:-]*$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Window(Strict):
    """Hours of the day (UTC) in which is recorded."""

    start: Annotated[TimeOfDay, Field(alias="from")]
    """Begin, "06:00"."""
    to: TimeOfDay
    """End, "18:00"; one that is not later than `from` is on the next day; "24:00" = midnight."""
    days: Annotated[list[Day], Field(min_length=1, max_length=7)] | None = None
    """Days of the week on which the window begins; null = all."""
    record_s: Annotated[int, Field(ge=1, le=86_400)] | None = None
    """Length of one recording; null = the whole window. They begin at `from` and every record_s + sleep_s after it."""
    sleep_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    """Pause between two recordings."""


class Active(Strict):
    """The time in which is recorded at all."""

    start: Annotated[Instant | None, Field(alias="from")] = None
    """First instant, "2026-12-01T00:00:00Z"; null = from now on."""
    until: Instant | None = None
    """End; null = for ever."""


class Trigger(Strict):
    """Only what is around an event is stored. What is not counts as lost to `sleep` in the ledger."""

    kind: Literal["level", "rms"]
    """`level`: the largest deviation from the running mean, `rms`: the root mean square of a block's deviations, of the
    channels with the unit of the first one."""
    stream: Name
    """The stream that is watched."""
    threshold: Annotated[float, Field(ge=0.00001, le=100_000)]
    """An event begins at it, in the stream's unit: g, deg/s, or 1 = full scale of a microphone."""
    pre_s: Annotated[float, Field(ge=0, le=60)] = 1
    """Stored from before the event; the rings must hold it."""
    hold_s: Annotated[float, Field(ge=0.1, le=3600)] = 5
    """The event ends when so long nothing was above the threshold."""
    random_share: Annotated[float, Field(ge=0, le=0.9)] = 0
    """Share of the stored events that are pieces without an event, taken at random."""


class MotionTrigger(Strict):
    """The sensor's own interrupt wakes a board that sleeps: each event is a recording, from the wake-up until nothing
    moves any more. What was before it is not recorded."""

    kind: Literal["motion"]
    """Motion detection by the sensor."""
    stream: Name
    """A motion sensor whose `int_pin` is wired to a pin that ends the board's sleep."""
    threshold_g: Annotated[float, Field(ge=0.008, le=2)]
    """An event begins above it: asleep as the chip filters acceleration (drivers.md), awake as `level` does."""
    duration_s: Annotated[float, Field(ge=0, le=5)] = 0
    """The chip wakes the board only when it moves for longer than so; 0 = one sample is enough."""
    hold_s: Annotated[float, Field(ge=0.5, le=3600)] = 5
    """The recording ends when so long nothing was above the threshold."""
    random_share: Annotated[float, Field(ge=0, le=0.9)] = 0
    """Share of the recordings that begin at random, by timer."""
    events_per_day: Annotated[float, Field(ge=0, le=10_000)] | None = None
    """For the planner only: how often it moves; null = 5 to 100 times."""


AnyTrigger = Annotated[Trigger | MotionTrigger, Field(discriminator="kind")]


class Schedule(Strict):
    """When to record."""

    duration_s: Annotated[float, Field(ge=0.25, le=1_000_000_000)] | None = None
    """Length of a recording in seconds; null = until it is stopped."""
    windows: Annotated[list[Window], Field(max_length=8)] = []
    """Hours in which is recorded; none = always."""
    active: Active | None = None
    """null = always."""
    trigger: AnyTrigger | None = None
    """null = everything is stored."""
    sleep: Literal["none", "light", "deep"] = "none"
    """What the board does when nothing is due; none = it stays awake and listens."""


class OnlyIf(Strict):
    """Uploads only while all of this holds."""

    battery_pct: Annotated[int, Field(ge=1, le=100)] | None = None
    """The battery has at least so much."""
    charging: bool = False
    """true = the battery is being charged."""


class Battery(Strict):
    """A battery whose voltage an ADC pin sees."""

    pin: Pin
    """ADC pin."""
    divider: Annotated[float, Field(ge=1, le=20)] = 2
    """Battery volts per volt at the pin."""
    empty_mv: Annotated[int, Field(ge=500, le=60_000)] = 3300
    """Voltage at 0 %."""
    full_mv: Annotated[int, Field(ge=500, le=60_000)] = 4200
    """Voltage at 100 %."""
    stop_pct: Annotated[int, Field(ge=0, le=90)] = 5
    """Below it nothing is recorded or sent; 0 = never stop."""
    charging_pin: Pin | None = None
    """High while the battery is charged; null = not wired."""


class Power(Strict):
    """What the board lives on."""

    battery: Battery | None = None
    """null = not watched."""
    watchdog_s: Annotated[float, Field(ge=2, le=600)] | None = None
    """The board is reset when the program hangs for so long; null = no watchdog."""


class Stops(Strict):
    """What ends a recording that does not work any more. null = that does not."""

    errors: Annotated[int, Field(ge=1, le=1_000_000)] | None = 200
    """So many failed reads and writes with nothing recorded in between."""
    silent_s: Annotated[int, Field(ge=2, le=86_400)] | None = 15
    """No stream has given a frame for so long."""
    stuck_s: Annotated[int, Field(ge=2, le=86_400)] | None = 30
    """Frames come and none could be written for so long."""
    then: Literal["restart", "sleep"] = "restart"
    """What follows: the board starts anew at once, or in sleep_s."""
    sleep_s: Annotated[int, Field(ge=1, le=86_400)] = 600
    """Pause before the new start."""
    boots: Annotated[int, Field(ge=3, le=1000)] | None = 10
    """So many starts of which none ran for a minute end in safe mode: console and status only."""
