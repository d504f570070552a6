"""Names of what modules, classes and instances have, as words that each firmware has in ROM, or as a letter.

A name is renamed everywhere at once, to what none of the modules in which it stands has: so the same few words serve
all, and no object gets two members of one name. Modules whose classes inherit from each other count as one, a family.
Only attributes become words; a function, a class or a variable of a module becomes a letter, so that a traceback shows
no word that means something else, and a built-in stays what it is. Left alone is what we do not make ourselves
(`core._io_queue`), or what firmware may mean, too.
"""

import ast
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from host.shrink.trees import BARE, Nodes, identifiers

# Of MicroPython's static_qstr_list (py/makeqstrdata.py), the same in all firmware that takes these .mpy files: words
# that are attributes of built-in types or plain; none that has a meaning of its own for instances of our classes.
ROM = """
abs all any append args bool bytearray bytecode bytes callable chr clear const copy count dict dir divmod end endswith
eval exec extend find format getattr globals hasattr hash id index insert int isalpha isdigit isinstance islower isspace
issubclass isupper items iter join key keys len list little locals lower lstrip main map next object ord pop popitem
pow print range remove replace repr reverse rfind rindex round rsplit rstrip self sep set setattr setdefault sort
sorted split startswith staticmethod step str strip sum super to_bytes tuple type update upper value values zip
""".split()
# Names of ours that firmware or a board package gives to something of its own: which of both is meant where such a name
# stands, nobody sees. tests/host/test_shrink.py finds what is missing here.
FOREIGN = set("""
ARRAY CONFIG DEFLATED Device Event Loop MAGIC MASK Reader Response Server Stream TIMEOUT UINT Writer add alive array
available block_size buffer cancel closed commit compress compress_type connect context digest discard disconnect drain
dup end escape exists feed fill flags flush getaddrinfo head hi info ioctl items itemsize join limit line lines listen
lo load loads mv now parse path peek pid poll publish put readblocks readinto release remove replace request run save
seek send settimeout show slot socket split step string subscribe tell ticks typecode values verify_mode wait wake wrap
writeblocks written
""".split())


@dataclass
class _Made:
    """Names that our code makes, by what they name; `heirs`: members of classes whose base is not ours, which may know
    them; `given`: attributes that something gets from outside of its class.
    """

    things: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    heirs: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)


def rename_members(nodes: dict[str, Nodes], kept: set[str]) -> None:
    """Changes the modules ({"app/main.py": the nodes of its tree}) in place; `kept`: names that stay."""
    made = _made(nodes)
    kept = kept | FOREIGN | {part for module in nodes for part in module.removesuffix(".py").split("/")}
    kept |= {name for name in made.heirs if name[0] != "_"} | _imported(nodes)
    families = _families(nodes)
    where = defaultdict(set)  # name: the families that have it
    taken, members = defaultdict(set), defaultdict(set)  # family: its names; those that an instance may have
    uses = Counter()
    for module, some in nodes.items():
        family = families[module]
        for name in identifiers(some):
            where[name].add(family)
            taken[family].add(name)
        members[family] |= _members(some)
        uses.update(node.attr for node in some if isinstance(node, ast.Attribute))
    candidates = {name for name in made.things | made.attributes if name not in kept | set(ROM) and name[:2] != "__"}
    for name in candidates & made.given:
        where[name] |= set(families.values())
    words = [word for word in ROM if word not in kept]
    new = {}
    for name in sorted(candidates, key=lambda name: (-len(where[name]), -uses[name], name)):
        its = where[name]
        word = None
        if name not in made.things | made.heirs | made.given:
            word = next((word for word in words if not any(word in members[family] for family in its)), None)
        word = word or next(word for word in _letters() if not any(word in taken[family] for family in its))
        if len(word) < len(name) or word in ROM:
            new[name] = word
            for family in its:
                taken[family].add(word)
                members[family].add(word)
    for some in nodes.values():
        for node in some:
            _rename(node, new, made.things)


def _letters() -> Iterator[str]:
    for n in itertools.count(1):
        for letters in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=n):
            yield "_" + "".join(letters)


def _imported(nodes: dict[str, Nodes]) -> set[str]:
    """Names of modules that are not ours, and of what is used of them."""
    packages = {module.split("/")[0] for module in nodes}
    found = set()
    for some in nodes.values():
        modules = set()
        for node in some:
            match node:
                case ast.Import(names):
                    found |= {part for alias in names for part in alias.name.split(".")}
                    modules |= {alias.asname or alias.name for alias in names} - packages
                case ast.ImportFrom(module, names, 0) if module.split(".")[0] not in packages:
                    found |= {alias.name for alias in names}
        for node in some:
            match node:
                case ast.Attribute(value=ast.Name(name), attr=attribute) if name in modules:
                    found.add(attribute)
    return found


def _members(nodes: Nodes) -> set[str]:
    """Names that an instance may have: attributes, and what classes hold."""
    found = identifiers(nodes, ("attr",))
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            found |= identifiers(list(ast.walk(node)), BARE)
    return found


def _made(nodes: dict[str, Nodes]) -> _Made:
    made = _Made()
    foreign = _with_foreign_bases([node for some in nodes.values() for node in some if isinstance(node, ast.ClassDef)])
    for some in nodes.values():
        for node in some:
            match node:
                case ast.Module():
                    made.things.update(_variables(node.body))
                case ast.ClassDef():
                    made.things |= {node.name, *_variables(node.body)}
                    if node.name in foreign:
                        made.heirs |= {node.name, *_own(node)}
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    made.things.add(node.name)
                case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()):
                    made.attributes.add(node.attr)
                case ast.Attribute(ctx=ast.Store()):
                    made.given.add(node.attr)
    return made


def _variables(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names that statements set, functions and classes in them apart."""
    for node in body:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _variables(ast.iter_child_nodes(node))


def _own(heir: ast.ClassDef) -> Iterator[str]:
    """Names of what a class and its instances have."""
    yield from _variables(heir.body)
    for node in ast.walk(heir):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.Attribute(value=ast.Name(id="self")):
                yield node.attr


def _with_foreign_bases(classes: list[ast.ClassDef]) -> set[str]:
    """Names of classes that inherit, in the end, from one that is not ours."""
    own = {node.name for node in classes}
    found: set[str] = set()
    while more := {
        node.name for node in classes for base in node.bases if _last(base) not in own or _last(base) in found
    } - found:
        found |= more
    return found


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


def _rename(node: ast.AST, new: dict[str, str], things: set[str]) -> None:
    """Where a name of one of the `things` stands; of others, as an attribute only: bare, it is something else."""
    for place in ("attr", *BARE):
        name = getattr(node, place, None)
        if name in new and (place == "attr" or name in things):
            setattr(node, place, new[name])
    if isinstance(node, ast.Global | ast.Nonlocal):
        node.names = [new[name] if name in new and name in things else name for name in node.names]
