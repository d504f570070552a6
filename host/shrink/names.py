"""Names of our own in fewer letters: those of members (host/shrink/members.py), and of arguments that no call names.

Left alone is what stands anywhere as a string (`getattr`, keyword dicts, `__all__`), what is an argument by name in any
call, and what the laptop's programs on the board name.
"""

import ast
from collections.abc import Iterator

from host.shrink.members import ROM, rename_members
from host.shrink.trees import BARE, Nodes, identifiers

_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp,
)  # fmt: skip


def rename(trees: dict[str, ast.Module], callers: list[ast.Module]) -> None:
    """Changes the modules ({"app/main.py": tree}) in place."""
    nodes = {module: list(ast.walk(tree)) for module, tree in trees.items()}
    called = [list(ast.walk(tree)) for tree in callers]
    kept = {name for some in [*nodes.values(), *called] for name in _kept(some)}
    kept |= {name for some in called for name in identifiers(some)}
    rename_members(nodes, kept)
    for module in nodes.values():
        for node in module:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                _arguments_of(node, kept)


def _kept(nodes: Nodes) -> Iterator[str]:
    """Names that somebody may know by their text: strings, arguments that a call names."""
    for node in nodes:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.keyword(arg=str(name)):
                yield name


def _arguments_of(function: ast.FunctionDef | ast.AsyncFunctionDef, kept: set[str]) -> None:
    """Rename what only this function sees: no nested function, class or comprehension names it."""
    names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
    names = [name for name in names if name != "self" and name not in kept]
    if not names:
        return
    nodes = list(ast.walk(function))
    inner = set()
    for node in nodes[1:]:
        if isinstance(node, _SCOPES):
            inner |= identifiers(list(ast.walk(node)), BARE)
    taken = identifiers(nodes, BARE) | {"self"}
    free = [word for word in ROM if word not in taken]
    new = dict(zip([name for name in names if name not in inner], free, strict=False))
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in new:
            node.id = new[node.id]
        elif isinstance(node, ast.arg) and node.arg in new:
            node.arg = new[node.arg]
