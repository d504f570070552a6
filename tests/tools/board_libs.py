"""The board packages that tests use: from the user's cache, where `deploy.py libs` puts them."""

from pathlib import Path

import pytest

from host.libs import cache_folder


def board_libs(module: str) -> Path:
    """The folder to put on MicroPython's search path for `module` ("npyfile", "umqtt/simple"); else the test skips."""
    folder = cache_folder()
    if not (folder / f"{module}.py").exists():
        pytest.skip(f"no board package {module}: get it with `python3 deploy.py libs --from DIR` (DIR: its clone)")
    return folder
