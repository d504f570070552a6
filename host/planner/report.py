"""The forecast for people: tables on the console."""

from rich.console import Console
from rich.table import Table

from host.planner.figures import Range
from host.planner.plan import Plan, assumptions


def show(config: dict, made: Plan, console: Console, *, with_assumptions: bool = False) -> None:
    """Prints everything that there is to know."""
    duty = made.duty
    console.print(f"[bold]{made.board.title}[/bold]")
    console.print(
        f"A day: {_count(duty.recordings)} recording{'s' if duty.recordings != 1 else ''} of {_time(duty.record_s)}, "
        f"awake {_time(duty.awake_s)}, light sleep {_time(duty.light_s)}, deep sleep {_time(duty.deep_s)}, "
        f"{_count(duty.uploads)} upload{'s' if duty.uploads != 1 else ''}"
        + (", the radio always on" if duty.radio_always else "")
    )
    for table in (_flash(config, made), _ram(made), _stall(made), _upload(made), _energy(made)):
        console.print(table)
    if days := made.battery_days:
        console.print(f"A battery of {made.battery_mah:g} mAh lasts {_range(days, 1)} days.")
    for warning in made.warnings:
        console.print(f"[yellow]Warning:[/yellow] {warning}.", soft_wrap=True)
    for note in made.board.notes:
        console.print(f"[dim]Board:[/dim] {note}", soft_wrap=True)
    if with_assumptions:
        console.print(_assumptions(config, made))
    else:
        console.print("[dim]Where the figures are from: --assumptions; what they mean: docs/planner.md[/dim]")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", min_width=60)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _flash(config: dict, made: Plan) -> Table:
    table = _table("Flash", "", "MB per day", "a file every")
    for name, stream in sorted(config["streams"].items()):
        every = stream["segment_frames"] / stream["rate_hz"]
        table.add_row(name, f"{made.streams[name].stored / 1e6:.3f}", _time(every))
    table.add_row("all files", f"{made.files.stored / 1e6:.3f}", "")
    table.add_section()
    if config["schedule"]["duration_s"]:
        table.add_row(f"one recording of {_time(config['schedule']['duration_s'])}, MB", _mb(made.recording.stored), "")
    if made.room_bytes is not None:
        table.add_row("room, MB", _mb(made.room_bytes), "")
        table.add_row("days until full without uploads", f"{made.days_until_full:.3g}", "")
        table.add_row("years until worn out", f"{made.wear_years:.3g}" if made.wear_years else "-", "")
    table.add_row("erased blocks per day", f"{made.files.erases:.0f}", "")
    return table


def _ram(made: Plan) -> Table:
    table = _table("RAM", "for", "bytes")
    for what, size in made.ram.purposes.items():
        table.add_row(what, f"{size:,}")
    table.add_section()
    table.add_row("all", f"{made.ram.total:,}")
    table.add_row("the port leaves", _range(made.ram.heap, 0))
    return table


def _stall(made: Plan) -> Table:
    """How long buffers hold out, and what is left of them at the worst of each stall."""
    table = _table("Stalls, ms", "buffer", "holds", *(f"left after {cause}" for cause in made.stall.stalls_ms))
    for name, held in made.stall.buffer_ms.items():
        margins = [made.stall.margin_ms(cause)[name] for cause in made.stall.stalls_ms]
        cells = [f"[red]{margin:.0f}[/red]" if margin < 0 else f"{margin:.0f}" for margin in margins]
        table.add_row(name, f"{held:.0f}", *cells)
    return table


def _upload(made: Plan) -> Table:
    table = _table("Uploads per day", "by", "MB", "minutes", "configured")
    for way, needs in made.ways.items():
        minutes = needs.busy_s * (1 / 60)
        table.add_row(way, _mb(needs.wire_bytes), _range(minutes, 2), "yes" if way in made.used else "")
    if not made.ways:
        table.add_row("cable only", "", "", "")
    return table


def _energy(made: Plan) -> Table:
    table = _table("mAh per day", "cause", "typical", "low to high")
    for cause, charge in made.energy.causes.items():
        table.add_row(cause, f"{charge.typical:.4g}", f"{charge.low:.4g} to {charge.high:.4g}")
    table.add_section()
    total = made.energy.total
    table.add_row("all", f"{total.typical:.4g}", f"{total.low:.4g} to {total.high:.4g}")
    return table


def _assumptions(config: dict, made: Plan) -> Table:
    table = _table("Assumptions", "what", "value", "source")
    table.columns[2].justify = "left"
    for what, value, source in assumptions(config, made):
        table.add_row(what, _range(value, 4), source)
    return table


def _range(value: Range, digits: int) -> str:
    if value.low == value.high:
        return f"{value.typical:,.{digits}f}"
    return f"{value.typical:,.{digits}f} ({value.low:,.{digits}f} to {value.high:,.{digits}f})"


def _count(number: float) -> str:
    """0.286, 22.2, 1,440."""
    return f"{number:.3g}" if number < 100 else f"{number:,.0f}"


def _mb(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.3f}"


def _time(seconds: float) -> str:
    """1.5 h, 3.0 min, 12 s."""
    if seconds >= 7200:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.3g} min" if seconds >= 120 else f"{seconds:.3g} s"
