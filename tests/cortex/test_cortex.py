"""The parts that need no operating system, on an ARM: native code, 32-bit small ints, floats of single precision."""

import ast
import json
from pathlib import Path

import pytest

from host.board_files import ROOT, board_files
from tests.tools import qemu

DOUBLE = "reckons what is right with floats of double precision"
SCRIPTS = {  # script: {test that cannot run there: why}
    "app/mp_anchors": {},
    "app/mp_clock": {"test_a_set_rtc_gives_a_fix_in_utc": "there is no gmtime"},
    "app/mp_ring": {},
    "app/mp_timebase": {
        "test_exact_anchors_give_the_line": DOUBLE, "test_rates_from_slow_to_fast": DOUBLE,
        "test_time_and_frame_numbers_wrap": DOUBLE,
    },
    "drivers/mp_bus": {},
    "drivers/mp_clocked": {"test_the_truth_lies_within": DOUBLE},
    "drivers/mp_kernels": {},
    "drivers/mp_pdm": {},
    "drivers/mp_timing": {},
    "drivers/mp_toolbox": {},
    "storage/mp_line": {},
}
LONG = ("bmi160", "icm42688", "lis3dh", "lsm6ds3trc", "lsm6dsox", "lsm6dsox_variants", "mpu6050", "mpu6886")
SLOW = {f"drivers/mp_{name}": {} for name in LONG}
CHIPS = ROOT / "host/virtual/chips"


def _files(scripts) -> dict[str, Path]:
    """What the machine gets: the scripts and what they import, of the board-side code and the chip models."""
    files = dict(board_files())
    files |= {f"host/virtual/chips/{path.name}": path for path in CHIPS.glob("*.py")}
    files |= {name: ROOT / "tests" / folder / name
              for folder, name in (("cortex", "runner.py"), ("cortex", "time.py"), (".", "mptest.py"))}
    for folder in {script.partition("/")[0] for script in scripts}:
        for path in (ROOT / "tests" / folder).glob("*.py"):
            if not path.name.startswith("test_"):
                files[f"tests/{folder}/{path.name}"] = path
    wanted = {"runner.py", "time.py", "mptest.py", "drivers/kernels_viper.py"}
    return {name: files[name] for name in _needed(files, wanted | {f"tests/{script}.py" for script in scripts})}


def _needed(files: dict, wanted: set[str]) -> set[str]:
    """`wanted` and all that they import, directly or not."""
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        found.add(name)
        folder = name.rpartition("/")[0]
        for module in _imports(files[name].read_text(), folder.replace("/", ".")):
            path = module.replace(".", "/")
            candidates = {f"{path}.py", f"{path}/__init__.py", f"{folder}/{path}.py"}
            candidates |= {f"{parent}/__init__.py" for parent in (path.rpartition("/")[0],) if parent}
            wanted |= {candidate for candidate in candidates if candidate in files} - found
    return found


def _imports(source: str, package: str):
    """Names of what may be modules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, (package if node.level else "", node.module)))
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


@pytest.fixture(scope="module", params=["short"])
def cortex(request):
    """The machine with the scripts of SCRIPTS, or ("long") of SLOW."""
    if not qemu.find():
        pytest.skip(qemu.HOW_TO_GET)
    machine = qemu.Machine(_files(SLOW if request.param == "long" else SCRIPTS))
    yield machine
    machine.close()


def _run(machine: qemu.Machine, script: str, without: dict) -> None:
    folder, _, name = script.partition("/")
    code = f"import json, runner\nprint(json.dumps(runner.run({folder!r}, {name!r}, {list(without)!r})))"
    verdicts = json.loads(machine.run(code, timeout_s=300))
    assert verdicts
    assert not [verdict for verdict in verdicts if verdict[1] and not verdict[1].startswith("skipped")]


@pytest.mark.parametrize("script", SCRIPTS)
def test_on_a_cortex_m3(script, cortex):
    _run(cortex, script, SCRIPTS[script])


@pytest.mark.slow
@pytest.mark.parametrize("cortex", ["long"], indirect=True)
@pytest.mark.parametrize("script", SLOW)
def test_a_long_script_on_a_cortex_m3(script, cortex):
    _run(cortex, script, SLOW[script])


def test_it_is_the_machine_that_is_meant(cortex):
    """Native code, floats of single precision, small ints of 31 bits (one bit more takes heap)."""
    assert cortex.run("print(1 + 1e-8 == 1)").strip() == "True"
    native = "from drivers import kernels, kernels_viper\nprint(kernels.copy is kernels_viper.copy)"
    assert cortex.run(native).strip() == "True"
    code = "import micropython\nx = 0x3fffffff\nmicropython.heap_lock()\ntry:\n x += {}\n print('fits')\n" \
        "except MemoryError:\n print('heap')\nmicropython.heap_unlock()"
    assert cortex.run(code.format(0)).strip() == "fits"
    assert cortex.run(code.format(1)).strip() == "heap"


def test_a_script_that_fails_there_is_seen(cortex):
    with pytest.raises(AssertionError, match="test_the_truth_lies_within"):
        _run(cortex, "drivers/mp_clocked", {})
