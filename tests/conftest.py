"""pytest's view of this repository: board-side scripts as tests, and the interpreters as a fixture."""

import pytest

from tests.tools.board_tests import BoardScript
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter


def pytest_pycollect_makemodule(module_path, parent):
    if module_path.match("mp_*.py"):
        return BoardScript.from_parent(parent, path=module_path)
    return None  # an ordinary test module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from tests.tools.sharing import Sharing

    return Sharing(config, log) if config.getvalue("dist") == "load" else None


@pytest.fixture(params=WIDTHS)
def micropython(request):
    """Path of a MicroPython; a test that asks for it runs once on the 64-bit and once on the 32-bit one."""
    found = interpreter(request.param)
    if not found:
        pytest.skip(HOW_TO_GET[request.param])
    return found
