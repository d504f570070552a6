"""What must hold whatever happens on the way, for every transport:

- every segment is in the data set exactly once, with the bytes that the board had recorded;
- nothing was acknowledged on the board before it was durable at the receiver;
- the board's heap is flat;
- or, where nothing can arrive, the board still has everything, and its status names the cause.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from host import verify

FLAT_BYTES = 3 * 1024  # what the heap may differ by: a list of names, a message of an error


def on_flash(flash: Path) -> dict[str, bytes]:
    """{"device/session/file": content} of what a board's spool has to deliver, without the folders of its own."""
    files = {}
    for path in flash.rglob("*"):
        if path.suffix in (".npy", ".wav", ".json") and not path.name.endswith("-dropped.json"):
            parts = path.relative_to(flash).parts
            files["/".join((*parts[:2], parts[-1]))] = path.read_bytes()
    return files


def names(files: dict[str, bytes]) -> list[str]:
    """A spool's names of these files: a document's own, a segment's without its ending."""
    documents = ("session.json", "ledger.json")
    return sorted({name if name.endswith(documents) else name.rpartition(".")[0] for name in files})


@dataclass
class Said:
    """What a board has printed (board.py)."""

    acks: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    heaps: list[int] = field(default_factory=list)
    errors: list[tuple[str, str, str]] = field(default_factory=list)  # kind, cause, message
    end: dict = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Said":
        said = cls()
        for line in text.splitlines():
            what, _, rest = line.partition(" ")
            if what == "ack":
                name, heap = rest.split(" ")
                said.acks.append(name)
                said.heaps.append(int(heap))
            elif what == "early":
                said.early.append(rest)
            elif what == "error":
                kind, cause, heap, message = rest.split(" ", 3)
                said.errors.append((kind, cause, message))
            elif line.startswith("{"):
                said.end = json.loads(line)
        return said


def whole(out: Path, expected: dict[str, bytes]) -> None:
    """The data set is what was recorded: every file, once, and nothing else."""
    there = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    sums = [path for name, path in there.items() if path.name == "SHA256SUMS"]
    files = {name: path.read_bytes() for name, path in there.items() if path.name != "SHA256SUMS"}
    assert files.keys() == expected.keys()
    assert [name for name in files if files[name] != expected[name]] == []
    lines = Counter(line for path in sums for line in path.read_text().splitlines())
    assert len(lines) == len(files) and set(lines.values()) == {1}, "SHA256SUMS has a file twice, or not at all"
    report = verify.verify(out)
    assert not [finding for finding in report.findings if finding.level in ("error", "warning")], report.findings


def delivered(said: Said, out: Path, expected: dict[str, bytes]) -> None:
    """Everything is in the data set, and on the board nothing is left and nothing was let go of early, or twice."""
    assert said.early == []
    assert said.end["left"] == 0 and not said.end["conflicts"] and not said.end["refused"], said.end
    assert sorted(said.acks) == names(expected)
    whole(out, expected)


def flat(said: Said) -> None:
    """The heap in use in the last quarter of the acknowledgements is that of the second one."""
    quarter = len(said.heaps) // 4
    assert quarter >= 5, "too few to see anything"
    before, after = max(said.heaps[quarter : 2 * quarter]), max(said.heaps[-quarter:])
    assert after <= before + FLAT_BYTES, said.heaps


def kept(said: Said, cause: str, flash: Path, expected: dict[str, bytes]) -> None:
    """Nothing could arrive: the board has everything still, and says why."""
    assert said.acks == said.early == [] and on_flash(flash) == expected
    assert said.end["left"] == len(names(expected)) - 1, "ledger.json is pending when nothing else is any more"
    assert said.end["status"]["cause"] == cause, said.end
