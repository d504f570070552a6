"""What has to be on a board, and what is to be done so that it is. Knows files and hashes, no wire."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from host.board_code import board_code
from host.board_files import PACKAGES
from host.check import SECRETS
from host.libs import files_of, needed
from host.push.onboard import STAGE, Refused
from host.virtual.compiler import compile_for

MAIN = "/main.py"
MANIFEST = f"{STAGE}/manifest"
CODE = "/code.sha256"
ROM_CODE = "/rom/code.sha256"  # of the code in the board's read-only partition (host/romfs.py)
STUB = Path(__file__).with_name("board_main.py")
_INSTALLED_BY_HAND = ("/config.json", "/secrets.json", CODE)


def sha256(content: bytes) -> str:
    """The hash in hex."""
    return hashlib.sha256(content).hexdigest()


def wanted_files(config: dict, secrets: bytes | None, arch: str | None) -> dict[str, bytes]:
    """{path on the board: content}: code for that architecture, the packages that the configuration needs, it, and
    the secrets. Raises CompileError, host.libs.Failed.
    """
    code = board_code(arch)
    content = {f"/{name}": data for name, data in code.files.items()}
    packages = {f"lib/{target}": path for package in needed(config) for target, path in files_of(package)}
    content |= {f"/{name}": data for name, data in compile_for(packages, arch).items()}
    content[CODE] = code.sha256.encode()
    content["/config.json"] = json.dumps(config).encode()
    if secrets is not None:
        content[f"/{SECRETS}"] = secrets
    content[MAIN] = STUB.read_bytes()
    return content


def beyond_rom(wanted: dict[str, bytes], rom_sha256: str | None) -> dict[str, bytes]:
    """What is not in the board's read-only partition. `rom_sha256`: of its `ROM_CODE`, None when there is none."""
    if rom_sha256 is None or rom_sha256 != sha256(wanted[CODE]):
        return wanted
    return {path: content for path, content in wanted.items() if path.split("/")[1] not in PACKAGES}


def files_beside(config: dict, folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """The files that the configuration names (keys ending in `_file`), taken from beside it by their last name.
    -> ({path on the board: content}, paths that are not there)
    """
    found, missing = {}, []
    for path in dict.fromkeys(_named(config)):
        local = folder / path.rsplit("/", 1)[-1]
        if local.is_file():
            found[path] = local.read_bytes()
        else:
            missing.append(path)
    return found, missing


def _named(node: object):
    """The values of all keys that end in `_file`."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.endswith("_file") and isinstance(value, str):
                yield value
            else:
                yield from _named(value)


@dataclass
class Plan:
    """`put`: what to copy; `keep`: which of these stand in the place of somebody else's file; `remove`: what is ours
    and no longer needed; `left`: what was ours and has been changed since, which stays; `same`: in place already.
    """

    put: dict[str, bytes] = field(default_factory=dict)
    keep: set[str] = field(default_factory=set)
    remove: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    same: int = 0
    manifest: bytes = b""

    @property
    def n_bytes(self) -> int:
        return sum(map(len, self.put.values()))

    def flash_bytes(self, block: int) -> int:
        """What the copies take while the old files are still there."""
        return sum(-(-len(content) // block) * block for content in self.put.values()) + 4 * block


def make(wanted: dict[str, bytes], there: dict[str, str], recorded: dict[str, str] | None) -> Plan:
    """`there`: {path: SHA-256} of what is on the board of all paths in `wanted` and `recorded`; `recorded`: the last
    push's manifest, None when there was none.
    """
    plan = Plan()
    ours = recorded or {}
    by_hand = recorded is None and CODE in there  # installed by `deploy.py board` or with mpremote
    for path, content in sorted(wanted.items(), key=lambda item: item[0] != MAIN):
        if there.get(path) == sha256(content):
            plan.same += 1
            continue
        plan.put[path] = content
        if path in there and path not in ours and not (by_hand and _is_motelogs(path)):
            plan.keep.add(path)
    for path, digest in ours.items():
        if path not in wanted and path in there:
            (plan.remove if there[path] == digest else plan.left).append(path)
    record = {path: sha256(content) for path, content in wanted.items()}
    if plan.put or plan.remove or recorded != record:
        plan.manifest = json.dumps({"format": 1, "files": record}).encode()
    return plan


def _is_motelogs(path: str) -> bool:
    return path in _INSTALLED_BY_HAND or path.split("/")[1] in PACKAGES


def foreign(plan: Plan, port: str) -> Refused:
    """Why the board is left alone."""
    names = ", ".join(sorted(plan.keep)[:5]) + (", ..." if len(plan.keep) > 5 else "")
    return Refused(
        f"{port}: the board has {names}, which Motelog did not put there: `push --take-over` replaces it and keeps it "
        "as NAME.before-motelog"
    )
