"""The rows of a bench that holds ours against something else, and their table."""

from rich.console import Console
from rich.table import Table


def row(what: str, ours: float, against: str, theirs: float, unit: str, goal: str) -> dict:
    """One comparison. `goal`: what the ratio should be, or nothing."""
    return {
        "what": what, "against": against, "ratio": round(ours / theirs, 3), "unit": unit, "ours": round(ours),
        "theirs": round(theirs), "goal": goal,
    }  # fmt: skip


def show(title: str, rows: list[dict]) -> None:
    """The rows for a person."""
    shown = Table(title=title)
    for heading in ("what", "against", "ratio", "goal", "ours", "other", "unit"):
        shown.add_column(heading, justify="right" if heading in ("ratio", "ours", "other") else "left")
    for one in rows:
        shown.add_row(*(str(one[key]) for key in ("what", "against", "ratio", "goal", "ours", "theirs", "unit")))
    Console().print(shown)
