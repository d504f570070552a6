"""Board-side sources rewritten so that they take less of a board's heap: docs/ram.md.

Every name in a program is kept on the heap once, for ever, so names of our own become words that each firmware has in
its ROM, or a letter; constants become numbers in place. Statements keep their lines: a traceback names the true file
and line. Knows syntax trees only; `host.virtual.compiler` compiles.
"""

import ast
from pathlib import Path

from host.board_files import ROOT
from host.shrink.constants import inline
from host.shrink.emit import emit
from host.shrink.names import rename

CALLERS = ("host/push/board_main.py", "host/pull/board_server.py")
"""Programs of the laptop that run on the board and import its modules: what they name keeps its name."""


def shrink(sources: dict[str, Path]) -> dict[str, str]:
    """{"app/main.py": source file} -> {"app/main.py": the text to compile instead}."""
    trees = {name: ast.parse(path.read_bytes()) for name, path in sources.items()}
    callers = [ast.parse((ROOT / name).read_bytes()) for name in CALLERS]
    inline(trees, callers)
    rename(trees, callers)
    return {name: emit(tree) for name, tree in trees.items()}
