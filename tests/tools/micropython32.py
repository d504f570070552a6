"""A 32-bit MicroPython for the tests: Debian's `micropython:i386` in the user's cache directory.

Nothing is installed: the package and what it depends on are downloaded (`apt.py`), unpacked, and run through their own
dynamic linker.
"""

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from tests.tools.apt import SUITE, Unavailable, download, run

WRAPPER = """\
#!/bin/sh
root=$(dirname "$0")/root
exec "$root/usr/lib/ld-linux.so.2" --library-path "$root/usr/lib/i386-linux-gnu" "$root/usr/bin/micropython" "$@"
"""


def cache_folder() -> Path:
    """Where it lives; there is no other trace of it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "motelog" / f"micropython32-{SUITE}"


def find() -> Path | None:
    """The executable in the user's cache directory, or None when `obtain()` has not put it there."""
    wrapper = cache_folder() / "micropython"
    return wrapper if wrapper.exists() else None


def obtain(progress=lambda text: None) -> Path:
    """The executable, downloaded first if need be; `progress` gets a line per step. Raises Unavailable."""
    if found := find():
        return found
    if platform.machine() != "x86_64" or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unavailable("the 32-bit MicroPython comes from Debian and needs an amd64 Debian machine")
    target = cache_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="unfinished-") as made:
        home = Path(made)
        progress("32-bit MicroPython: downloading")
        download(home, "i386", "install", "micropython")
        progress("32-bit MicroPython: unpacking")
        (home / "ready").mkdir()
        for package in sorted((home / "cache" / "archives").glob("*.deb")):
            run("dpkg-deb", "-x", str(package), str(home / "ready" / "root"))
        wrapper = home / "ready" / "micropython"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
        if run(str(wrapper), "-c", "import sys; print(sys.maxsize)").strip() != str(2**31 - 1):
            raise Unavailable("the downloaded MicroPython is not a 32-bit one")
        try:
            (home / "ready").rename(target)
        except OSError:  # another process was faster
            if not find():
                raise
    return target / "micropython"


if __name__ == "__main__":
    try:
        print(obtain(progress=lambda text: print(text, file=sys.stderr)))
    except Unavailable as reason:
        sys.exit(str(reason))
