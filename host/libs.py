"""`deploy.py libs`: the packages that a board needs from elsewhere, into the user's cache, each byte as the lock says.

libs.lock.json names for every package its repository, commit and files with their sha256; nothing else is accepted,
wherever it comes from. Sources: the mip index (and GitHub for packages that it does not hold), or with `--from` any
clone, bare clone or unpacked archive on this machine. `push` takes the files from the cache with `files_of`.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "libs.lock.json"
INDEX = "https://micropython.org/pi/v2"
RAW = "https://raw.githubusercontent.com"
TIMEOUT_S = 20
NEEDED = {  # by a key of the configuration's `upload`
    "mqtt": ("umqtt.robust", "umqtt.simple"), "ble": ("aioble",), "bundle": ("zipfile",),
}  # fmt: skip
UNUSED = ("aioble/central.py", "aioble/client.py", "aioble/l2cap.py")  # aioble imports what is there: RAM for nothing
# The index adds this line to a .py file that has no version (micropython-lib, tools/build.py).
_VERSION_LINE = re.compile(rb"\n\n__version__ = '[^'\n]*'\n\Z")


class Failed(Exception):
    """Why a package could not be had, in one sentence."""


@dataclass(frozen=True)
class File:
    """`target`: path on the board below lib/; `source`: path in the repository."""

    target: str
    source: str
    sha256: str


@dataclass(frozen=True)
class Package:
    """`mip` is its name for mip: one in the index, or `github:OWNER/NAME`."""

    name: str
    version: str
    mip: str
    repository: str
    commit: str
    files: tuple[File, ...]

    def __str__(self):
        return f"{self.name} {self.version}"


def cache_folder() -> Path:
    """Where the packages are, laid out as in a board's lib/."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "motelog" / "libs"


def locked() -> list[Package]:
    """The packages of the lock file."""
    packages = json.loads(LOCK.read_text(encoding="utf-8"))["packages"]
    return [Package(**entry | {"files": tuple(File(**file) for file in entry["files"])}) for entry in packages]


def needed(config: dict | None) -> list[Package]:
    """The packages that a board with this configuration (None: none) needs below its lib/; of each the files in use."""
    upload = (config or {}).get("upload") or {}
    names = {name for key, wanted in NEEDED.items() if upload.get(key) is not None for name in wanted}
    return [
        replace(package, files=tuple(file for file in package.files if file.target not in UNUSED))
        for package in locked()
        if package.name in names
    ]


def files_of(package: Package) -> list[tuple[str, Path]]:
    """(target, path in the cache) of a package's files. Raises Failed when one is missing or not as locked."""
    found = [(file, cache_folder() / file.target) for file in package.files]
    for file, path in found:
        if not path.is_file() or _sha256(path.read_bytes()) != file.sha256:
            raise Failed(f"{package} is not in {cache_folder()}: run `deploy.py libs` first")
    return [(file.target, path) for file, path in found]


def is_present(package: Package) -> bool:
    try:
        files_of(package)
    except Failed:
        return False
    return True


def add_arguments(parser):
    parser.add_argument(
        "--from", dest="folders", type=Path, nargs="+", action="extend", metavar="DIR",
        help="take the packages from here instead of the network: a clone or an unpacked archive of micropython-lib, "
        "micropython-npyfile or micropython-zipfile, or a folder that holds several of them",
    )
    parser.add_argument("--index", default=INDEX, metavar="URL", help="mip index to use (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args) -> int:
    """0: every package is in the cache; 1: some could not be had; 2: a DIR is none."""
    for folder in args.folders or []:
        if not folder.is_dir():
            print(f"deploy.py libs: {folder} is no folder; --from takes a clone or unpacked archive", file=sys.stderr)
            return 2
    fetch = Folders(args.folders).fetch if args.folders else Network(args.index).fetch
    rows = []
    for package in locked():
        state, reason = _obtain(package, fetch)
        rows.append({"name": package.name, "version": package.version, "state": state, "reason": reason})
        if not args.json:
            print(f"{package}: {reason or state}", file=sys.stderr if reason else sys.stdout, flush=True)
    ok = all(row["state"] != "missing" for row in rows)
    if args.json:
        print(json.dumps({"ok": ok, "folder": str(cache_folder()), "packages": rows}, indent=1))
    elif ok:
        print(f"all board packages are in {cache_folder()}")
    return 0 if ok else 1


def _obtain(package: Package, fetch: Callable[[Package], list[bytes]]) -> tuple[str, str | None]:
    """("present" | "new" | "missing", why it is missing)."""
    if is_present(package):
        return "present", None
    try:
        for file, content in zip(package.files, fetch(package), strict=True):
            _store(cache_folder() / file.target, content)
    except Failed as reason:
        return "missing", str(reason)
    except OSError as error:
        return "missing", f"cannot write to {cache_folder()}: {error.strerror}; XDG_CACHE_HOME can name another place"
    return "new", None


def _store(path: Path, content: bytes) -> None:
    """The whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Folders:
    """Packages out of folders on this machine: each folder itself and those directly in it, git repositories or not."""

    def __init__(self, folders: list[Path]):
        self.given = folders
        self.roots = [root for folder in folders for root in (folder, *sorted(filter(Path.is_dir, folder.iterdir())))]

    def fetch(self, package: Package) -> list[bytes]:
        """The contents of its files, in order. Raises Failed."""
        return [self._file(package, file) for file in package.files]

    def _file(self, package: Package, file: File) -> bytes:
        others = []
        for root in self.roots:
            for content in (_from_work_tree(root, file), _from_history(root, package, file)):
                if content is not None and _sha256(content) == file.sha256:
                    return content
                if content is not None:
                    others.append(root / file.source)
        if others:
            raise Failed(f"{others[0]} is another version than the lock's: take commit {package.commit}")
        where = ", ".join(map(str, self.given))
        raise Failed(f"{file.source} is not in {where}: add a clone of {package.repository} to --from")


def _from_work_tree(root: Path, file: File) -> bytes | None:
    path = root / file.source
    return path.read_bytes() if path.is_file() else None


def _from_history(root: Path, package: Package, file: File) -> bytes | None:
    """The file at the locked commit, if `root` is a git repository (bare or not) that has it."""
    if not ((root / ".git").exists() or (root / "HEAD").is_file()):
        return None
    git_dir = root / ".git" if (root / ".git").exists() else root
    command = ["git", f"--git-dir={git_dir}", "cat-file", "blob", f"{package.commit}:{file.source}"]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:  # no git on this machine
        return None
    return done.stdout if done.returncode == 0 else None


class Network:
    """Packages out of the mip index, or from GitHub those that it does not hold."""

    def __init__(self, index: str):
        self.index = index.rstrip("/")

    def fetch(self, package: Package) -> list[bytes]:
        """The contents of its files, in order. Raises Failed."""
        contents = []
        urls = self._urls(package)
        for file in package.files:
            content = _download(urls[file.target], package)
            if _sha256(content) != file.sha256:
                content = _VERSION_LINE.sub(b"", content)
            if _sha256(content) != file.sha256:
                raise Failed(f"{urls[file.target]} is not what the lock says (sha256 {file.sha256}): nothing was kept")
            contents.append(content)
        return contents

    def _urls(self, package: Package) -> dict[str, str]:
        """Where each file is; for the index see mpremote's mip.py and micropython-lib's tools/build.py."""
        if package.mip.startswith("github:"):
            base = f"{RAW}/{package.mip.removeprefix('github:')}/{package.commit}"
            return {file.target: f"{base}/{file.source}" for file in package.files}
        url = f"{self.index}/package/py/{package.mip}/{package.version}.json"
        try:
            short = dict(json.loads(_download(url, package))["hashes"])
            return {f.target: f"{self.index}/file/{short[f.target][:2]}/{short[f.target]}" for f in package.files}
        except (ValueError, KeyError, TypeError):
            raise Failed(f"{url} does not list the files of {package}") from None


def _download(url: str, package: Package) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise Failed(f"{url} answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Failed(
            f"cannot reach {url} ({reason}); without a network clone {package.repository} elsewhere and use --from DIR"
        ) from None
