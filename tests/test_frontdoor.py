"""deploy.py: the table of commands, wrong calls, and the virtual environment that it makes for itself."""

import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from host.commands import COMMANDS
from tests.tools import signals

ROOT = Path(__file__).resolve().parents[1]
PLAIN_PYTHON = getattr(sys, "_base_executable", sys.executable)  # the one behind this virtual environment


def deploy(*arguments, root=ROOT, python=sys.executable, env=None, **keywords):
    """Run deploy.py as a user does."""
    command = [*([python] if isinstance(python, str) else python), str(root / "deploy.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | (env or {}), **keywords)


@pytest.fixture
def tree(tmp_path):
    """The front door alone, with a command `check` of our own making."""
    root = tmp_path / "a folder"
    (root / "host").mkdir(parents=True)
    for name in ("deploy.py", "host/__init__.py", "host/commands.py", "host/environment.py"):
        shutil.copy(ROOT / name, root / name)

    def write_command(body: str) -> Path:
        source = f"def add_arguments(parser): pass\n\ndef run(args):\n    {body}\n"
        (root / "host" / "check.py").write_text(source)
        return root

    return write_command


# The command line


def test_help_lists_every_command_without_any_package():
    done = deploy("--help", python=[PLAIN_PYTHON, "-S"])
    assert done.returncode == 0 and done.stderr == ""
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", done.stdout, re.M)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there_and_has_help(name):
    module = importlib.import_module(f"host.{COMMANDS[name][0]}")
    assert callable(module.run)
    done = deploy("--system-python", name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: deploy.py {name}")


@pytest.mark.parametrize(("arguments", "told"), [
    (["pltt"], "did you mean 'plot'?"),
    (["frobnicate"], "demo, test, bench"),
    (["--frobnicate", "demo"], "unrecognized arguments: --frobnicate"),
    ([], "usage: deploy.py"),
    (["--system-python", "test", "--frobnicate"], "unrecognized arguments: --frobnicate"),
])
def test_a_wrong_call_is_exit_code_2_and_a_hint(arguments, told):
    done = deploy(*arguments)
    assert done.returncode == 2 and told in done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_an_old_python_is_told_so_in_one_sentence():
    pretend = "import sys, runpy; sys.version_info = (3, 9, 0); runpy.run_path('deploy.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("deploy.py needs Python 3.11 or newer") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("how", ["flag", "flag behind", "variable"])
def test_the_current_interpreter_can_be_used(tree, how):
    root = tree("import sys; print(sys.prefix); return 1")
    flag = "--system-python"
    arguments = {"flag": [flag, "check"], "flag behind": ["check", flag], "variable": ["check"]}[how]
    env = {"MOTELOG_PYTHON": "system" if how == "variable" else ""}
    done = deploy(*arguments, root=root, env=env)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (1, sys.prefix, "")
    assert not (root / ".venv").exists()


def test_a_missing_package_is_named_with_the_remedy(tree):
    root = tree("import nonesuch_package.part")
    done = deploy("check", "--system-python", root=root)
    assert done.returncode == 2
    assert "'nonesuch_package'" in done.stderr and "pip install -r" in done.stderr and "Traceback" not in done.stderr


def test_a_missing_module_of_ours_is_a_bug_and_shows_where(tree):
    done = deploy("check", "--system-python", root=tree("import host.nonesuch"))
    assert done.returncode == 1 and "Traceback" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for one process on Windows")
def test_ctrl_c_is_exit_code_130_without_a_traceback(tree):
    root = tree("import time; print('started', flush=True); time.sleep(60)")
    command = [sys.executable, root / "deploy.py", "check", "--system-python"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=signals.attend
    ) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and errors == ""


@pytest.mark.parametrize(("source", "arguments", "code"), [
    ("def test_x(): pass\n", [], 0),
    ("def test_x(): assert 0\n", [], 1),
    ("def test_x(): pass\n", ["-k", "nothing_of_that_name"], 1),
    ("import nonesuch\n", [], 1),
    ("def test_x(): raise KeyboardInterrupt\n", [], 130),
    ("def test_x(): pass\n", ["--frobnicate"], 2),
])
def test_the_test_command_tells_what_pytest_said(tmp_path, source, arguments, code):
    (tmp_path / "test_sample.py").write_text(source)
    done = deploy("--system-python", "test", "--", "-n", "0", str(tmp_path), *arguments)
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.slow
def test_the_campaign_ends_with_its_sums(tmp_path):
    """Two workers tell what they counted; the environment asks for the whole."""
    cases = [f"""
def test_{n}(record_property):
    import os
    assert os.environ["MOTELOG_CAMPAIGN"] == "1"
    record_property("cuts_tried", {n})
    record_property("violations", 1)
""" for n in (20, 3)]
    (tmp_path / "test_sample.py").write_text("".join(cases))
    done = deploy("--system-python", "test", "--campaign", "--", "-n", "2", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "power-cut campaign: 23 cuts tried, 2 violations"


# The lock


def test_the_lock_pins_everything_with_hashes_and_names_no_server():
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^ *#.*\n?", "", lock, flags=re.M).strip())
    names = {entry.partition("==")[0] for entry in entries}
    assert all(re.match(r"[a-z0-9.-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    wanted = re.findall(r"^[a-z][a-z0-9-]*", (ROOT / "requirements.in").read_text(), re.M)
    assert len(wanted) > 10 and set(wanted) <= names
    assert "://" not in lock and "index" not in lock


# The virtual environment. A package of our own making, from a folder: no network.


@pytest.fixture
def bootstrap(tree, tmp_path):
    """Runs `check` in a tree whose lock holds one small package; `.env` keeps pip off the network."""
    wheel = tmp_path / "wheels" / "tinypart-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    info = "tinypart-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinypart.py", "answer = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinypart\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"tinypart.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    root = tree("import json, sys, tinypart; print(json.dumps([tinypart.answer, sys.prefix])); return 0")
    (root / "requirements.lock").write_text(f"tinypart==1.0 \\\n    --hash=sha256:{digest}\n")
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "PIP_CONFIG_FILE": os.devnull}
    return root, env | {"MOTELOG_PYTHON": ""}


def answer(root, env):
    """One call that must work: standard output is the command's own, standard error comes back."""
    done = deploy("check", root=root, python=PLAIN_PYTHON, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == [42, str(root / ".venv")]
    return done.stderr


@pytest.mark.slow
def test_the_environment_is_made_once_and_again_when_it_must_be(bootstrap):
    root, env = bootstrap
    assert re.search(r"^First use: .*\n(.*\n)*100% made in", answer(root, env), re.M)
    assert answer(root, env) == ""

    (root / ".venv" / "motelog-stamp").unlink()  # as an interrupted creation leaves it
    (root / ".venv" / "litter").touch()
    assert "First use" in answer(root, env)
    assert not (root / ".venv" / "litter").exists()

    with open(root / "requirements.lock", "a") as lock:
        lock.write("# another\n")
    assert "First use" in answer(root, env)


@pytest.mark.slow
def test_a_wrong_hash_is_refused_and_nothing_is_left_that_looks_complete(bootstrap):
    root, env = bootstrap
    lock = root / "requirements.lock"
    good = lock.read_text()
    lock.write_text(re.sub(r"sha256:.*", "sha256:" + "0" * 64, good))
    for _ in range(2):
        done = deploy("check", root=root, python=PLAIN_PYTHON, env=env)
        assert done.returncode == 1 and "could not make" in done.stderr and "DO NOT MATCH" in done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr
    lock.write_text(good)
    answer(root, env)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no flock on Windows")
def test_two_first_uses_at_once_make_one_environment(bootstrap):
    import fcntl

    root, env = bootstrap
    command = [PLAIN_PYTHON, str(root / "deploy.py"), "check"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": os.environ | env}
    with open(root / ".venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
        for process in processes:
            assert process.stderr.readline().startswith("Waiting for another")
    results = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert [json.loads(output)[0] for output, _ in results] == [42, 42]
    assert sorted("First use" in errors for _, errors in results) == [False, True]


def test_a_folder_that_cannot_take_the_environment_is_told_in_one_sentence(bootstrap):
    root, env = bootstrap
    (root / ".venv").write_text("a file")
    done = deploy("check", root=root, python=PLAIN_PYTHON, env=env)
    assert done.returncode == 1 and "could not make" in done.stderr and "--system-python" in done.stderr
    assert "Traceback" not in done.stderr


HOLD = """
import sys
if "venv" in sys.orig_argv:
    import os, time, venv
    def hold(*_):
        with open({mark!r} + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename({mark!r} + ".new", {mark!r})
        time.sleep(600)
    venv.EnvBuilder.setup_python = hold
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for one process on Windows")
def test_bug_an_interrupted_creation_went_on_beside_the_next_one(bootstrap, tmp_path):
    """Only deploy.py itself gets the signal, in the middle: `python -m venv` has begun and is held there."""
    root, env = bootstrap
    mark = tmp_path / "mark"
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "sitecustomize.py").write_text(HOLD.format(mark=str(mark)))
    command = [PLAIN_PYTHON, str(root / "deploy.py"), "check"]
    held = os.environ | env | {"PYTHONPATH": str(tmp_path / "held")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=held, preexec_fn=signals.attend) as process:
        while not mark.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and "Traceback" not in errors
    assert (root / ".venv" / "pyvenv.cfg").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    answer(root, env)


@pytest.mark.slow
def test_the_first_command_on_a_fresh_clone(tmp_path):
    """The real lock from the real index: about half a minute."""
    clone = tmp_path / "clone"
    for name in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")[:-1]:
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    arguments = ["test", "--", "-n", "0", "tests/test_layers.py", "-k", "keeps"]
    done = deploy(*arguments, root=clone, python=PLAIN_PYTHON, env={"MOTELOG_PYTHON": ""}, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("===") and "1 passed" in done.stdout.splitlines()[-1]
    packages = subprocess.check_output(
        [clone / ".venv" / "bin" / "python", "-m", "pip", "list", "--format=freeze"], text=True
    ).splitlines()
    pinned = set(re.findall(r"^(\S+==\S+)", (ROOT / "requirements.lock").read_text(), re.M))
    installed = {package.replace("_", "-").lower() for package in packages}
    assert installed - pinned == {p for p in installed if p.startswith(("pip==", "setuptools=="))}


# The README


def test_the_readme_names_the_commands_that_there_are():
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^\| `(\w+)", readme, re.M)) == set(COMMANDS)
    assert set(re.findall(r"deploy\.py (\w+)", readme)) - {"COMMAND"} <= set(COMMANDS)


def test_the_configuration_in_the_readme_is_a_right_one():
    from config import loader

    example = re.search(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert loader.check(example.encode())[1] == []
