"""Names in syntax trees."""

import ast

Nodes = list[ast.AST]  # of a tree: walking is what takes time here
BARE = ("id", "arg", "name", "asname")
"""Fields of nodes in which a name stands that is no attribute."""


def identifiers(nodes: Nodes, fields: tuple[str, ...] = (*BARE, "attr")) -> set[str]:
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
