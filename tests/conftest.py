"""pytest's view of this repository: board-side scripts as tests, and the interpreters as a fixture."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.tools.board_tests import BoardScript
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter

# A run of the tests says the same as the last one, on every machine; `deploy.py test --campaign` looks further.
# How long that takes is the machine's business.
patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **patient)
settings.register_profile("further", **patient)
settings.load_profile("further" if os.environ.get("MOTELOG_CAMPAIGN") else "same")


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
