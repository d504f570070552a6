"""What the tests take from Debian without installing it: an APT with a configuration and a state of its own downloads
from this machine's own mirror, of another suite and for another processor if need be.
"""

import os
import re
import subprocess
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
APT::Architecture "{architecture}";
APT::Architectures {{"{architecture}";}};
APT::Install-Recommends "false";
APT::Sandbox::User "{user}";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"""
LIMIT_S = 900  # for each step: a mirror that dribbles, or a build on a machine that is busy


class Unavailable(Exception):
    """Why this machine cannot have it, in one sentence."""


def download(home: Path, architecture: str, *command: str) -> None:
    """Run `apt-get COMMAND` with an APT that has its state in the folder `home`, knows only SUITE and believes that
    nothing is installed; what `source` gets goes to `home`, packages to cache/archives in it. Raises Unavailable.
    """
    suffix, source = debian_source(ETC)
    if "source" in command:
        source = re.sub(r"^(Types: )?deb\b", r"\1deb-src", source, flags=re.M | re.I)
    for folder in ("sources", "state/lists/partial", "cache/archives/partial"):
        (home / folder).mkdir(parents=True)
    (home / "status").touch()
    (home / "sources" / f"debian{suffix}").write_text(source)
    config = APT_CONFIG.format(home=home, user=_user_name(), architecture=architecture)
    (home / "apt.conf").write_text(config)
    environment = {"APT_CONFIG": str(home / "apt.conf")}
    run("apt-get", "-q", "update", "--error-on=any", env=environment)
    run("apt-get", "-q", "-y", "--download-only", *command, env=environment, cwd=home)


def debian_source(etc: Path) -> tuple[str, str]:
    """(".list" or ".sources", text) of this machine's first Debian source, changed to SUITE. Raises Unavailable."""
    release = (etc / "os-release").read_text() if (etc / "os-release").exists() else ""
    if not re.search(r"^ID=[\"']?debian\b", release, re.M):
        raise Unavailable("it comes from Debian, and this is not a Debian machine")
    codename = re.search(r"^VERSION_CODENAME=[\"']?(\w+)", release, re.M)
    suites = SUITE_WORDS | ({codename[1]} if codename else set())
    apt = etc / "apt"
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            pick = _from_list if path.suffix == ".list" else _from_deb822
            if text := pick(path.read_text(), suites):
                return path.suffix, text
    raise Unavailable("no Debian source in this machine's APT configuration to take it from")


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


def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Standard output of a command; Unavailable with its most telling line when it fails, or that it took too long."""
    environment = os.environ | {"LC_ALL": "C"} | (env or {})
    how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "cwd": cwd, "timeout": LIMIT_S}
    try:
        done = subprocess.run(command, env=environment, **how)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{Path(command[0]).name}: took longer than {LIMIT_S} s") from None
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        told = next((line for line in lines if line.startswith("E:")), lines[-1])
        raise Unavailable(f"{Path(command[0]).name}: {told}")
    return done.stdout
