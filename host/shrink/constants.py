"""Constants of modules, in place: `_BURST = 1 << 6` costs a name and a slot in the module, 64 costs neither."""

import ast
import re
from collections import Counter

_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
_LARGEST = 1 << 30  # larger ones are objects on a 32-bit board: one, in the module, is enough
_LONGEST = 10  # longer strings, too (MicroPython's MICROPY_ALLOC_PARSE_INTERN_STRING_LEN)


def inline(trees: dict[str, ast.Module], callers: list[ast.Module]) -> None:
    """Changes the modules ({"app/main.py": tree}): each use of a constant becomes its value, here and where it is
    imported; definitions and imports of what is not used any more go. What `callers` name stays.
    """
    kept = {node.name for tree in callers for node in ast.walk(tree) if isinstance(node, ast.alias)}
    known = {_module(name): _constants(tree, kept) for name, tree in trees.items()}
    for name, tree in trees.items():
        _Inline(_module(name), tree, known).visit(tree)


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _constants(tree: ast.Module, kept: set[str]) -> dict[str, int | str]:
    """{name: value} of what is set once, at the top of the module, to what can be reckoned here."""
    found: dict[str, int | str] = {}
    bound = Counter(_bound(tree))
    for statement in tree.body:
        for name, value in _pairs(statement):
            if not _CONSTANT.fullmatch(name) or bound[name] > 1 or name in kept:
                continue
            result = _value(value, found)
            if isinstance(result, str) and len(result) <= _LONGEST:
                found[name] = result
            elif type(result) is int and abs(result) < _LARGEST:
                found[name] = result
    return found


def _bound(tree: ast.Module) -> list[str]:
    """The names that anything in a module sets, as often as it does."""
    names = []
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ast.Store() | ast.Del()) | ast.arg(name):
                names.append(name)
    return names


def _pairs(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    """The (name, value)s that an assignment of one or of several names sets."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return []
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        if all(isinstance(one, ast.Name) for one in target.elts):
            return [(one.id, its) for one, its in zip(target.elts, value.elts, strict=True)]
    return []


def _value(node: ast.expr, known: dict[str, int | str]) -> object:
    """What a constant expression of numbers comes to, or a string; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id)
    match node:
        case ast.UnaryOp(op, operand):
            values = [_value(operand, known)]
            sum_ = ast.UnaryOp(op, ast.Constant(values[0]))
        case ast.BinOp(left, op, right):
            values = [_value(left, known), _value(right, known)]
            sum_ = ast.BinOp(ast.Constant(values[0]), op, ast.Constant(values[1]))
        case _:
            return None
    if not all(type(value) is int for value in values):
        return None
    return eval(compile(ast.fix_missing_locations(ast.Expression(sum_)), "constant", "eval"))


class _Inline(ast.NodeTransformer):
    """One module: `values` are the constants by the names that they have in it, `modules` those imported whole."""

    def __init__(self, module: str, tree: ast.Module, known: dict[str, dict[str, int | str]]):
        self._known = known
        self._own = known[module]
        self._values = dict(self._own)
        self._modules = {}
        self._package = module if "." not in module else module.rpartition(".")[0]
        self._bound = set(_bound(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                self._note(node)

    def _source(self, node: ast.ImportFrom) -> str:
        return ".".join(part for part in (self._package if node.level else "", node.module or "") if part)

    def _note(self, node: ast.ImportFrom) -> None:
        source = self._source(node)
        for alias in node.names:
            shown = alias.asname or alias.name
            if f"{source}.{alias.name}" in self._known:
                self._modules[shown] = self._known[f"{source}.{alias.name}"]
            elif alias.name in self._known.get(source, {}) and alias.name not in self._bound:
                self._values[shown] = self._known[source][alias.name]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        source = self._source(node)
        constants = self._known.get(source, {})
        gone = constants.keys() - self._bound
        node.names = [alias for alias in node.names if alias.name not in gone]
        return node if node.names else ast.copy_location(ast.Pass(), node)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        names = [name for name, _ in _pairs(node)]
        if names and all(name in self._own for name in names):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self._values:
            return ast.copy_location(_constant(self._values[node.id]), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.attr in self._modules.get(node.value.id, {}):
            return ast.copy_location(_constant(self._modules[node.value.id][node.attr]), node)
        return self.generic_visit(node)


def _constant(value: int | str) -> ast.expr:
    if type(value) is int and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)
