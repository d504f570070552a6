"""The package mip/kernels holds all that the toolbox needs, and nothing else is needed."""

import json
import shutil

from tests.tools.micropython import ROOT, run_micropython

PACKAGE = ROOT / "mip/kernels/package.json"
PROGRAM = """
from array import array
from drivers import toolbox
data = array("h", [1, 2, -2])
raw = toolbox.as_bytes(data, 2)
toolbox.swap16(raw, 0, raw, 0, 3)
text = bytearray(8)
print(list(data), toolbox.base64(text, 0, raw, 0, 6), text)
"""


def test_the_package_works_alone(micropython, tmp_path):
    for name, source in json.loads(PACKAGE.read_text())["urls"]:
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(PACKAGE.parent / source, target)
    done = run_micropython(
        PROGRAM, interpreter=micropython, env={"MICROPYPATH": f"{tmp_path}:.frozen"}, cwd=tmp_path, check=True
    )
    assert done.stdout == "[256, 512, -257] 8 bytearray(b'AAEAAv/+')\n"
