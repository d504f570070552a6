"""Names that nobody outside sees, as words that each firmware has in ROM, or as a letter.

Two sorts: arguments that no call names, and names with a leading underscore. They are renamed module by module, so the
same few words serve all; modules whose classes inherit from each other, or that share such a name, are one family.
Left alone is what stands anywhere as a string (`getattr`, keyword dicts), what is an argument by name in any call, what
we do not bind ourselves (`core._io_queue`), and what the laptop's programs on the board name.
"""

import ast
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator

_PRIVATE = re.compile(r"_[A-Za-z]\w*")
# Of MicroPython's static_qstr_list (py/makeqstrdata.py), the same in all firmware that takes these .mpy files: words
# that are attributes of built-in types or plain; none that has a meaning of its own for instances of our classes.
ROM = """
abs all any append args bool bytearray bytecode bytes callable chr clear const copy count dict dir divmod end endswith
eval exec extend find format getattr globals hasattr hash id index insert int isalpha isdigit isinstance islower isspace
issubclass isupper items iter join key keys len list little locals lower lstrip main map next object ord pop popitem
pow print range remove replace repr reverse rfind rindex round rsplit rstrip self sep set setattr setdefault sort
sorted split startswith staticmethod step str strip sum super to_bytes tuple type update upper value values zip
""".split()


Nodes = list[ast.AST]  # of a tree: walking is what takes time here


def rename(trees: dict[str, ast.Module], callers: list[ast.Module]) -> None:
    """Changes the modules ({"app/main.py": tree}) in place."""
    nodes = {module: list(ast.walk(tree)) for module, tree in trees.items()}
    called = [list(ast.walk(tree)) for tree in callers]
    kept = {name for some in [*nodes.values(), *called] for name in _kept(some)}
    kept |= {name for some in called for name in _identifiers(some)}
    _privates(nodes, kept)
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


def _identifiers(nodes: Nodes, fields: tuple[str, ...] = ("id", "arg", "name", "asname", "attr")) -> set[str]:
    """Every name there."""
    found = set()
    for node in nodes:
        for field in fields:
            name = getattr(node, field, None)
            if isinstance(name, str):
                found.add(name)
        if isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
    return found


def _letters() -> Iterator[str]:
    for n in itertools.count(1):
        for letters in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=n):
            yield "_" + "".join(letters)


# --- arguments

_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp,
)  # fmt: skip
_BARE = ("id", "arg", "name", "asname")  # where a name stands that is no attribute


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
            inner |= _identifiers(list(ast.walk(node)), _BARE)
    taken = _identifiers(nodes, _BARE) | {"self"}
    free = [word for word in ROM if word not in taken]
    new = dict(zip([name for name in names if name not in inner], free, strict=False))
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in new:
            node.id = new[node.id]
        elif isinstance(node, ast.arg) and node.arg in new:
            node.arg = new[node.arg]


# --- names with an underscore


def _privates(nodes: dict[str, Nodes], kept: set[str]) -> None:
    families = _families(nodes)
    foreign = {families[module] for module in _with_foreign_bases(nodes)}
    where = defaultdict(set)  # name: the families that have it
    functions, others = set(), set()  # names that we make
    taken, members = defaultdict(set), defaultdict(set)  # family: its names; those that an instance may have
    uses = Counter()
    for module, some in nodes.items():
        family = families[module]
        names = _identifiers(some)
        taken[family] |= names
        members[family] |= _members(some)
        for name in filter(_PRIVATE.fullmatch, names):
            where[name].add(family)
        for name, is_function in _bound(some):
            (functions if is_function else others).add(name)
        uses.update(node.attr for node in some if isinstance(node, ast.Attribute))
    words = [word for word in ROM if word not in kept]
    new = {}
    for name in sorted(where, key=lambda name: (-len(where[name]), -uses[name], name)):
        if name in kept or name not in functions | others:
            continue
        its = where[name]
        word = None
        if name not in functions and not its & foreign:
            word = next((word for word in words if not any(word in members[family] for family in its)), None)
        word = word or next(word for word in _letters() if not any(word in taken[family] for family in its))
        if len(word) < len(name) or word in ROM:
            new[name] = word
            for family in its:
                taken[family].add(word)
                members[family].add(word)
    for some in nodes.values():
        for node in some:
            _rename(node, new)


def _members(nodes: Nodes) -> set[str]:
    """Names that an instance may have: attributes, and what classes hold."""
    found = _identifiers(nodes, ("attr",))
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            found |= _identifiers(list(ast.walk(node)), _BARE)
    return found


def _bound(nodes: Nodes) -> Iterator[tuple[str, bool]]:
    """(name, whether it is a function's, a class's or a variable's) of what a module makes: these, and attributes of
    self. Variables must not become a built-in's name, and what a traceback shows stays apart from the rest.
    """
    for node in nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, True
            case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()):
                yield node.attr, False
            case ast.Name(ctx=ast.Store()):
                yield node.id, True


def _families(nodes: dict[str, Nodes]) -> dict[str, str]:
    """{module: the name of its family}; a class and its bases are of one."""
    classes = {module: [node for node in some if isinstance(node, ast.ClassDef)] for module, some in nodes.items()}
    home = defaultdict(list)
    for module, found in classes.items():
        for node in found:
            home[node.name].append(module)
    parent = {module: module for module in nodes}

    def root(module: str) -> str:
        while parent[module] != module:
            module = parent[module]
        return module

    for module, found in classes.items():
        for node in found:
            for base in node.bases:
                for other in home.get(_last(base), ()):
                    parent[root(other)] = root(module)
    return {module: root(module) for module in nodes}


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _with_foreign_bases(nodes: dict[str, Nodes]) -> list[str]:
    """Modules with a class that inherits from one that is not ours: to that one an attribute may mean something."""
    classes = {module: [node for node in some if isinstance(node, ast.ClassDef)] for module, some in nodes.items()}
    own = {node.name for found in classes.values() for node in found}
    bases = {module: [base for node in found for base in node.bases] for module, found in classes.items()}
    return [module for module, found in bases.items() if any(_last(base) not in own for base in found)]


def _rename(node: ast.AST, new: dict[str, str]) -> None:
    for field in ("id", "attr", "arg", "name", "asname"):
        name = getattr(node, field, None)
        if name in new:
            setattr(node, field, new[name])
    if isinstance(node, ast.Global | ast.Nonlocal):
        node.names = [new.get(name, name) for name in node.names]
