"""The tools of the tests: board-side scripts become pytest items, and where the 32-bit MicroPython is looked for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import apt, sharing
from tests.tools.micropython import run_micropython

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run_scripts(tmp_path):
    """Runs pytest on one board-side script in a repository of its own; gives its exit code and output."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "mptest.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    shutil.copytree(ROOT / "tests" / "tools", tmp_path / "tests" / "tools")

    def run(source: str, *arguments: str) -> tuple[int, str]:
        (tmp_path / "tests" / "mp_sample.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_each_function_of_a_board_side_script_has_its_own_verdict(run_scripts):
    code, output = run_scripts(
        "from mptest import SkipTest\n"
        "def test_good(): print('printed by good')\n"
        "def test_bad():\n    print('printed by bad')\n    assert 1 == 2\n"
        "def test_not_here(): raise SkipTest('needs a tower')\n"
        "def test_after(): pass\n",
        "-k", "64-bit",
    )
    assert code == 1
    assert "2 passed, 1 skipped" in output and "1 failed" in output
    assert "PASSED tests/mp_sample.py::test_good[64-bit]" in output
    assert "PASSED tests/mp_sample.py::test_after[64-bit]" in output
    assert "needs a tower" in output
    failure = output[output.index("FAILURES") : output.index("PASSES")]
    assert 'mp_sample.py", line 5, in test_bad\n    assert 1 == 2\nAssertionError' in failure
    assert "printed by bad" in failure and "printed by good" not in failure


@pytest.mark.parametrize("end", ["import sys; sys.exit(0)", "import nonesuch", "x = bytearray(1 << 30)"])
def test_a_script_that_ends_early_fails_every_test_that_was_not_reached(run_scripts, end):
    code, output = run_scripts(f"{end}\ndef test_one(): pass\ndef test_two(): pass\n", "-k", "64-bit")
    assert code == 1 and "2 failed" in output
    assert "not reached: MicroPython ended" in output


@pytest.mark.parametrize(("source", "told"), [
    ("def helper(): pass\n", "without a function test_"),
    ("async def test_x(): pass\n", "asyncio.run()"),
    ("def test_x(:\n", "mp_sample.py:1:"),
    ("HEAP = 384 * 1024\ndef test_x(): pass\n", "HEAP takes a text"),
])
def test_a_script_that_would_test_nothing_is_an_error(run_scripts, source, told):
    code, output = run_scripts(source)
    assert code == 2 and told in output


def test_a_script_chooses_its_heap(run_scripts):
    source = "import gc\nHEAP = '96K'\ndef test_small(): assert gc.mem_free() < 96 * 1024\n"
    assert run_scripts(source, "-k", "64-bit")[0] == 0
    assert run_scripts(source.replace("96K", "200K"), "-k", "64-bit")[0] == 1


def test_a_script_starts_in_an_empty_folder_of_its_own(run_scripts):
    source = "import os\ndef test_empty():\n    assert os.listdir() == []\n    open('file', 'w').close()\n"
    assert run_scripts(source)[0] == 0  # both widths


def test_a_script_runs_once_per_width_however_many_workers_there_are(run_scripts, tmp_path):
    source = f"open('{tmp_path}/starts', 'a').write('x')\n" + "".join(f"def test_{i}(): pass\n" for i in range(20))
    code, output = run_scripts(source, "-k", "64-bit", "-n", "2")
    assert code == 0 and "20 passed" in output
    assert (tmp_path / "starts").read_text() == "x"


def test_a_function_that_failed_runs_again_on_the_interpreter_not_from_memory(run_scripts, tmp_path):
    source = (
        f"def starts():\n    open('{tmp_path}/starts', 'a').write('x')\n    return open('{tmp_path}/starts').read()\n"
        "def test_second_time(): assert starts() == 'xx'\ndef test_bad(): assert 1 == 2\n"
    )
    code, output = run_scripts(source, "-k", "64-bit", "--reruns", "1")
    assert code == 1 and "1 failed, 1 passed" in output and "2 rerun" in output


def test_tests_that_share_a_fixture_share_a_worker(tmp_path):
    for name, scope in (("test_dear.py", "module"), ("test_cheap.py", "function"), ("mp_board.py", "module")):
        (tmp_path / name).write_text(f'@pytest.fixture(scope="{scope}")\n')
    groups = {test: sharing.group(test, tmp_path) for test in (
        "test_dear.py::test_a", "test_dear.py::test_b[x]", "test_cheap.py::test_a", "test_cheap.py::test_b[64-bit]",
        "mp_board.py::test_a[64-bit]", "mp_board.py::test_b[64-bit]", "mp_board.py::test_a[32-bit]",
    )}  # fmt: skip
    assert list(groups.values()) == [
        "test_dear.py", "test_dear.py", "test_cheap.py::test_a", "test_cheap.py::test_b[64-bit]",
        "mp_board.py[64-bit]", "mp_board.py[64-bit]", "mp_board.py[32-bit]",
    ]  # fmt: skip


def test_the_fixture_gives_the_width_it_names(micropython, request):
    done = run_micropython("import sys; print(sys.maxsize, sys.argv[1])", "word", interpreter=micropython, check=True)
    width = request.node.callspec.params["micropython"]
    assert done.stdout.split() == [str(2 ** (int(width[:2]) - 1) - 1), "word"]


def test_check_shows_what_the_board_side_code_printed(micropython):
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_micropython("1/0", interpreter=micropython, check=True)


DEB822 = """\
Types: deb
URIs: https://elsewhere.example/node
Suites: nodistro
Components: main

# the machine's own
Types: deb deb-src
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Architectures: amd64
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb https://elsewhere.example/x stable-thing main
deb [arch=amd64 signed-by=/usr/share/keyrings/d.gpg] http://mirror.example/debian bookworm main contrib
"""


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "apt" / "sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('PRETTY_NAME="D"\nVERSION_CODENAME=bookworm\nID=debian\n')
    return tmp_path


def test_a_debian_source_in_stanzas_is_found_and_moved_to_the_suite(etc):
    (etc / "apt" / "sources.list.d" / "a.sources").write_text(DEB822)
    suffix, text = apt.debian_source(etc)
    assert suffix == ".sources"
    assert "types: deb\nuris: http://mirror.example/debian\nsuites: trixie\ncomponents: main\n" in text
    assert "elsewhere" not in text and "architectures" not in text and " .\n abc" in text


def test_a_debian_source_in_one_line_is_found_and_moved_to_the_suite(etc):
    (etc / "apt" / "sources.list").write_text(ONE_LINE)
    expected = "deb [signed-by=/usr/share/keyrings/d.gpg] http://mirror.example/debian trixie main\n"
    assert apt.debian_source(etc) == (".list", expected)


@pytest.mark.parametrize(("release", "told"), [
    ("ID=ubuntu\nID_LIKE=debian\n", "not a Debian machine"),
    ("ID=debian\nVERSION_CODENAME=bookworm\n", "no Debian source"),
])
def test_without_a_debian_source_the_reason_is_told(etc, release, told):
    (etc / "os-release").write_text(release)
    (etc / "apt" / "sources.list.d" / "node.sources").write_text(DEB822.partition("\n\n")[0])
    with pytest.raises(apt.Unavailable, match=told):
        apt.debian_source(etc)
