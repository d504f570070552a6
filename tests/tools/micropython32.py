"""A 32-bit MicroPython for the tests: Debian's `micropython:i386` in the user's cache directory.

Nothing is installed: APT, with a configuration and state of its own, downloads the package and what it depends on from
this machine's own Debian mirror; the packages are unpacked and run through their own dynamic linker.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = "trixie"
SUITE_WORDS = {"oldstable", "stable", "testing", "unstable", "sid", SUITE}
ETC = Path("/etc")

APT_CONFIG = """\
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{home}/sources";
Dir::State "{home}/state";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
APT::Architecture "i386";
APT::Architectures {{"i386";}};
APT::Install-Recommends "false";
APT::Sandbox::User "{user}";
Acquire::Languages "none";
"""

WRAPPER = """\
#!/bin/sh
root=$(dirname "$0")/root
exec "$root/usr/lib/ld-linux.so.2" --library-path "$root/usr/lib/i386-linux-gnu" "$root/usr/bin/micropython" "$@"
"""


class Unavailable(Exception):
    """Why this machine cannot have the 32-bit MicroPython, in one sentence."""


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
    source = debian_source(ETC)
    target = cache_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="unfinished-") as made:
        home = Path(made)
        progress("32-bit MicroPython: downloading")
        packages = _download(home, *source)
        progress("32-bit MicroPython: unpacking")
        (home / "ready").mkdir()
        for package in packages:
            _run("dpkg-deb", "-x", str(package), str(home / "ready" / "root"))
        wrapper = home / "ready" / "micropython"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
        if _run(str(wrapper), "-c", "import sys; print(sys.maxsize)").strip() != str(2**31 - 1):
            raise Unavailable("the downloaded MicroPython is not a 32-bit one")
        try:
            (home / "ready").rename(target)
        except OSError:  # another process was faster
            if not find():
                raise
    return target / "micropython"


def _download(home: Path, suffix: str, source: str) -> list[Path]:
    """The packages, fetched with an APT that knows only `source` and believes that nothing is installed."""
    for folder in ("sources", "state/lists/partial", "cache/archives/partial"):
        (home / folder).mkdir(parents=True)
    (home / "status").touch()
    (home / "sources" / f"debian{suffix}").write_text(source)
    (home / "apt.conf").write_text(APT_CONFIG.format(home=home, user=_user_name()))
    environment = {"APT_CONFIG": str(home / "apt.conf")}
    _run("apt-get", "-q", "update", "--error-on=any", env=environment)
    _run("apt-get", "-q", "-y", "--download-only", "install", "micropython", env=environment)
    return sorted((home / "cache" / "archives").glob("*.deb"))


def debian_source(etc: Path) -> tuple[str, str]:
    """(".list" or ".sources", text) of this machine's first Debian source, changed to SUITE. Raises Unavailable."""
    release = (etc / "os-release").read_text() if (etc / "os-release").exists() else ""
    if not re.search(r"^ID=[\"']?debian\b", release, re.M):
        raise Unavailable("the 32-bit MicroPython comes from Debian, and this is not a Debian machine")
    codename = re.search(r"^VERSION_CODENAME=[\"']?(\w+)", release, re.M)
    suites = SUITE_WORDS | ({codename[1]} if codename else set())
    apt = etc / "apt"
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            pick = _from_list if path.suffix == ".list" else _from_deb822
            if text := pick(path.read_text(), suites):
                return path.suffix, text
    raise Unavailable("no Debian source in this machine's APT configuration to take the 32-bit MicroPython from")


def _from_list(text: str, suites: set[str]) -> str | None:
    """The first fitting line `deb [options] uri suite components` of a .list file, changed to SUITE."""
    for line in text.splitlines():
        entry = re.match(r"\s*deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+main\b", line)
        if entry and entry[3] in suites:
            options = re.sub(r"\barch[+-]?=\S*", "", (entry[1] or "").strip(" []")).strip()
            return f"deb {f'[{options}] ' if options else ''}{entry[2]} {SUITE} main\n"
    return None


def _from_deb822(text: str, suites: set[str]) -> str | None:
    """The first fitting stanza of a .sources file, changed to SUITE."""
    text = re.sub(r"^#.*\n", "", text, flags=re.M)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {name.lower(): value for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M)}
        words = {name: value.split() for name, value in fields.items()}
        if (
            "deb" in words.get("types", []) and suites & set(words.get("suites", []))
            and "main" in words.get("components", []) and words.get("enabled") != ["no"]
        ):
            fields |= {"types": " deb", "suites": f" {SUITE}", "components": " main"}
            return "".join(f"{name}:{value}\n" for name, value in fields.items() if name != "architectures")
    return None


def _user_name() -> str:
    """APT as root changes to a user who could not reach a private folder; as anybody else it ignores this."""
    return "root" if os.geteuid() == 0 else "_apt"


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    """Standard output of a command; Unavailable with its most telling line when it fails."""
    environment = os.environ | {"LC_ALL": "C"} | (env or {})
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        told = next((line for line in lines if line.startswith("E:")), lines[-1])
        raise Unavailable(f"the 32-bit MicroPython could not be obtained: {Path(command[0]).name}: {told}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(obtain(progress=lambda text: print(text, file=sys.stderr)))
    except Unavailable as reason:
        sys.exit(str(reason))
