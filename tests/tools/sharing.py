"""Which tests share a worker of pytest-xdist: those that share what is dear to make.

xdist's own `--dist=loadgroup` puts the group into a test's id, which pytest 9.2 does not let it: it then groups
nothing, without a word. So the groups are read from what the ids say as they are.
"""

import functools
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling


class Sharing(LoadScopeScheduling):
    """A board-side script runs once per interpreter, a fixture of a module is made once."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid, self.config.rootpath)


def group(nodeid: str, root: Path) -> str:
    """What tests have in common that go to the same worker; `nodeid`, as "tests/app/mp_ring.py::test_x[64-bit]",
    starts with a path in the folder `root`.
    """
    file, _, test = nodeid.partition("::")
    if Path(file).match("mp_*.py"):
        return file + test[test.rfind("[") :]
    return file if _has_shared_fixture(root / file) else nodeid


@functools.cache
def _has_shared_fixture(path: Path) -> bool:
    return 'scope="module"' in path.read_text(encoding="utf-8")
