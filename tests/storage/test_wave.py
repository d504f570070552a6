"""storage/wave.py against CPython's own `wave`: the same steps must give the same results, errors and files."""

import subprocess
import sys
import warnings
import wave as cpython_wave
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from struct import pack

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mpremote import mip

from storage import wave
from tests.storage.wave_steps import run
from tests.tools.micropython import HOW_TO_GET, ROOT, WIDTHS, interpreter, run_micropython
from tests.tools.worker import BoardWorker

HERE = Path(__file__).parent
PCM_GUID = "0100000000001000800000aa00389b71"
TAGS = [1, 1, 1, 2, *([0xFFFE, 0xFFFE] if hasattr(cpython_wave, "WAVE_FORMAT_EXTENSIBLE") else [])]


def small(*values):
    return st.sampled_from(values)


@st.composite
def format_chunks(draw):
    tag, channels, bits = draw(small(*TAGS)), draw(st.integers(0, 3)), draw(small(0, 1, 8, 12, 16, 24, 32, 33))
    body = pack("<HHLLHH", tag, channels, draw(small(0, 8000, 2**32 - 1)), 0, 0, bits)
    if tag == 0xFFFE:
        body += pack("<HHL", 22, bits, 0) + draw(small(bytes.fromhex(PCM_GUID), bytes(range(16))))
    return body[: draw(small(None, None, None, 13, 14, 15, 16, 24, 39))]


@st.composite
def wav_files(draw):
    """Files around the truth: sizes, order, presence and content of chunks are each sometimes wrong."""
    chunks = [(b"fmt ", draw(format_chunks())), (b"data", draw(st.binary(max_size=20)))]
    others = st.tuples(small(b"LIST", b"fact", b"data", b"odd "), st.binary(max_size=5))
    for name, body in draw(st.lists(others, max_size=2)):
        chunks.insert(draw(st.integers(0, len(chunks))), (name, body))
    if draw(st.integers(0, 9)) == 0:
        del chunks[draw(st.integers(0, len(chunks) - 1))]
    content = b"WAVE" if draw(st.integers(0, 19)) else b"wave"
    for name, body in chunks:
        size = len(body) if draw(st.integers(0, 9)) else draw(small(0, 3, 100, 2**31, 2**32 - 1))
        content += name + pack("<L", size) + body + bytes(len(body) % 2 if draw(st.integers(0, 9)) else 0)
    size = len(content) if draw(st.integers(0, 5)) else draw(small(0, 4, 20, 36, 44, 2**32 - 1))
    whole = (b"RIFF" if draw(st.integers(0, 19)) else b"RIFX") + pack("<L", size) + content
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 4)) == 0 else whole


GETTERS = "getnchannels getsampwidth getframerate getnframes getcomptype getcompname getparams getmarkers tell".split()
READ_STEPS = st.lists(
    st.one_of(
        st.tuples(small("readframes"), st.integers(-1, 8)),
        st.tuples(small("setpos"), st.integers(-1, 8)),
        st.tuples(small("getmark"), small(0)),
        st.tuples(small("rewind", "close", *GETTERS)),
    ),
    max_size=6,
)
BUFFERS = st.one_of(
    st.binary(max_size=13).map(lambda b: {"b": b.hex()}),
    st.lists(st.integers(-99, 99), max_size=4).map(lambda items: {"h": items}),
    st.lists(st.integers(-99, 99), max_size=4).map(lambda items: {"i": items}),
    st.lists(st.integers(0, 99), max_size=4).map(lambda items: {"Q": items}),
    small("text", 7),
)
RATES = small(-1, 0, 0.4, 0.5, 2.5, 44100, 2**32)
PARAMS = st.tuples(
    st.integers(0, 3), st.integers(0, 5), RATES, small(0, 0, 1, 3, 2**32), small("NONE", "ULAW"), small("x")
)
WRITE_STEPS = st.lists(
    st.one_of(
        st.tuples(small("setnchannels"), small(-1, 0, 1, 2, 65536)),
        st.tuples(small("setsampwidth"), st.integers(0, 5)),
        st.tuples(small("setframerate"), RATES),
        st.tuples(small("setnframes"), small(0, 1, 3, 2**32)),
        st.tuples(small("setcomptype"), small("NONE", "ULAW"), small("not compressed")),
        st.tuples(small("setparams"), PARAMS),
        st.tuples(small("writeframes", "writeframesraw"), BUFFERS),
        st.tuples(small("writeframes", "writeframesraw"), BUFFERS),
        st.tuples(small("setmark"), small(1), small(0), small("name")),
        st.tuples(small("getmark"), small(0)),
        st.tuples(small("close", *GETTERS)),
    ),
    max_size=8,
)
START = st.tuples(st.integers(1, 2), st.integers(1, 4), small(8000), small(0, 2), small("NONE"), small("x"))
FILES = small("bytes", "bytes", "pipe", "bare")


def case(mode, data, steps, file):
    return {"mode": mode, "data": data.hex(), "steps": steps, "file": file}


READ_CASES = st.builds(case, small("rb"), wav_files(), READ_STEPS, FILES)
WRITE_CASES = st.builds(
    lambda start, steps, file: case("wb", b"", ([["setparams", start]] if start else []) + steps, file),
    st.none() | START | START, WRITE_STEPS, FILES,
)
ODD_MODES = st.builds(case, small("r", "w", "rb+", "a", "x"), wav_files(), st.just([["tell"]]), small("bytes"))


def expected(a_case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.13 announces the end of the marks
        return run(cpython_wave, a_case)


def comparable(notes, *, messages=True):
    """What must be equal: messages of `wave` itself always, those of Python only where it is the same Python.

    A number too big for the header is a special case: its wording changed in CPython 3.12, and CPython, which writes
    the header in three parts, leaves "RIFF" in the file.
    """
    out, too_big = [], False
    for note in notes:
        if isinstance(note, dict) and "raised" in note:
            name, text = note["raised"]
            too_big = too_big or name == "struct.error"
            note = name, text if name == "Error" or messages and name != "struct.error" else None
        out.append(note)
    return out[:-1] if too_big else out


@example(case("wb", b"", [["setparams", (1, 1, 2**32, 0, "NONE", "")], ["close"], ["writeframes", {"b": ""}]], "bytes"))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(READ_CASES | WRITE_CASES | ODD_MODES)
def test_every_step_gives_what_cpythons_gives(a_case):
    assert comparable(run(wave, a_case)) == comparable(expected(a_case))


@pytest.fixture(scope="module", params=WIDTHS)
def board(request):
    found = interpreter(request.param)
    if not found:
        pytest.skip(HOW_TO_GET[request.param])
    with BoardWorker(HERE / "wave_steps.py", found) as worker:
        yield worker


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(a_case=READ_CASES | WRITE_CASES)
def test_every_step_gives_the_same_on_micropython(board, a_case):
    assert comparable(board.ask(a_case), messages=False) == comparable(expected(a_case), messages=False)


def extensible(guid, bits=24, cut=None):
    """One frame of one 3-byte channel in WAVE_FORMAT_EXTENSIBLE."""
    body = pack("<HHLLHHHHL", 0xFFFE, 1, 8000, 24000, 3, bits, 22, bits, 4) + bytes.fromhex(guid)
    chunks = b"fmt " + pack("<L", 40) + body + b"data" + pack("<L", 3) + b"abc"
    return b"RIFF" + pack("<L", 4 + len(chunks)) + b"WAVE" + chunks[:cut]


def test_extensible_is_read_on_every_python():
    with wave.open(BytesIO(extensible(PCM_GUID))) as f:
        assert f.getparams() == (1, 3, 8000, 1, "NONE", "not compressed")
        assert f.readframes(2) == b"abc"
    other = "01020304050600100000" + "aabbccddeeff"
    with pytest.raises(wave.Error, match="^unknown extended format: 04030201-0605-1000-0000-aabbccddeeff$"):
        wave.open(BytesIO(extensible(other)))
    with pytest.raises(EOFError):
        wave.open(BytesIO(extensible(PCM_GUID, cut=30)))


OWN_TESTS = """
import importlib.util, sys, unittest, wave
spec = importlib.util.spec_from_file_location("wave", sys.argv[1])
ours = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ours)
ours._byteswap = wave._byteswap  # its data needs it
sys.modules["wave"] = ours
from test import test_wave
del test_wave.MiscTestCase  # which names 3.11 lacks, which marks 3.13 warns of
done = unittest.main(test_wave, argv=["test_wave"], exit=False).result
sys.exit(not (done.wasSuccessful() and done.testsRun > 50))
"""


HAS_OWN_TESTS = find_spec("test") and find_spec("test.test_wave")


@pytest.mark.skipif(not HAS_OWN_TESTS, reason="this Python came without its own tests")
def test_cpythons_own_tests_pass():
    done = subprocess.run([sys.executable, "-c", OWN_TESTS, wave.__file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Board:
    """The file operations of mpremote's transport, on a folder."""

    def __init__(self, root):
        self.root = root

    def fs_exists(self, path):
        return (self.root / path).exists()

    def fs_mkdir(self, path):
        (self.root / path).mkdir()

    def fs_writefile(self, path, data, progress_callback=None):
        (self.root / path).write_bytes(data)


@pytest.mark.parametrize("package", ["mip/wave/package.json", "./mip/wave/package.json"])
def test_mip_installs_it_alone(tmp_path, monkeypatch, package):
    monkeypatch.chdir(ROOT)
    mip._install_package(Board(tmp_path), package, None, "lib", None, True)
    code = "import wave, io; w = wave.open(io.BytesIO(), 'wb'); print(wave.__file__, wave.Wave_write)"
    found = interpreter("64-bit")
    if not found:
        pytest.skip(HOW_TO_GET["64-bit"])
    done = run_micropython(code, interpreter=found, env={"MICROPYPATH": f"{tmp_path}/lib:.frozen"}, check=True)
    assert done.stdout.startswith(str(tmp_path / "lib" / "wave.py"))
