"""`deploy.py verify DATASET`: is every sample that the ledger counts here, unchanged, and is every other one
accounted for?
"""

import argparse
import dataclasses
import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from host import mistakes
from host.checks import check_session
from host.dataset import Dataset, DatasetError, Finding, Session, Stream

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True)
class Report:
    """`findings`: files as `<device>/<session>/<file>`. `streams`: one dict per stream, the ledger table."""

    root: Path
    streams: list[dict]
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return not any(finding.level == "error" for finding in self.findings)

    def as_dict(self) -> dict:
        return {
            "dataset": str(self.root),
            "ok": self.ok,
            "streams": self.streams,
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
        }


def verify(root: Path | str) -> Report:
    """Checks every session below `root`. Raises `DatasetError` when there is none; damage is reported, never raised."""
    streams, findings = [], []
    for session in Dataset(root).sessions:
        for finding in check_session(session):
            findings.append(dataclasses.replace(finding, file=f"{session.device}/{session.name}/{finding.file}"))
        streams += [_account(session, stream) for stream in session.streams.values()]
    return Report(Path(root), streams, findings)


def _account(session: Session, stream: Stream) -> dict:
    return {
        "device": session.device,
        "session": session.name,
        "stream": stream.name,
        "state": "complete" if stream.ledger_file else "open",
        "segments": len(stream.segments),
        "frames": sum(segment.info.frames for segment in stream.segments),
        **stream.ledger,
        "rate_hz": stream.rate_hz,
        "rate_measured_hz": stream.rate_measured_hz,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check a data set: hashes, sidecars, continuity and the ledger (expected = stored + lost). "
        "Exit code 0: it can be trusted, 1: it cannot, 2: there is no data set."
    )
    parser.add_argument(
        "dataset", type=Path, metavar="DATASET", help="a data set's folder, or one device's or session's in it"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    try:
        report = verify(args.dataset)
    except DatasetError as error:
        return mistakes.report("verify", error, args.json)
    if args.json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        show(report, Console())
    return 0 if report.ok else 1


def show(report: Report, console: Console) -> None:
    """A ledger table per session, the findings, one line of verdict."""
    for (device, session), rows in groupby(report.streams, lambda row: (row["device"], row["session"])):
        table = Table("stream", "state", title=f"{device}/{session}", title_justify="left")
        for heading in ("segments", "expected", "stored", "lost", "rate"):
            table.add_column(heading, justify="right")
        for row in rows:
            rate = row["rate_measured_hz"] or row["rate_hz"]
            lost = "\n".join(f"{n} {cause}" for cause, n in row["lost"].items() if n) or "0"
            lost += f"\n{row['unknown']} x unknown" if row["unknown"] else ""
            cells = (row["segments"], row["expected"], row["stored"], lost, f"{rate:.6g} Hz")
            table.add_row(row["stream"], row["state"], *map(str, cells))
        console.print(table)
    for finding in report.findings:
        frames = f" frames {finding.frames[0]} to {finding.frames[1]}" if finding.frames else ""
        console.print(
            Text(f"{finding.level:7} {finding.file}{frames}: {finding.what}", style=STYLES[finding.level]),
            soft_wrap=True,
        )
    errors = sum(finding.level == "error" for finding in report.findings)
    console.print(
        f"{errors} errors: this data set cannot be trusted as it is"
        if errors
        else "verified: every frame is accounted for"
    )
