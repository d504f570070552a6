"""A syntax tree as text in which every statement begins in the line where it began; without docstrings."""

import ast


def emit(tree: ast.Module) -> str:
    """-> source text."""
    lines = _Lines()
    lines.block(tree.body, 0)
    return "\n".join(lines.texts) + "\n"


class _Lines:
    def __init__(self):
        self.texts: list[str] = []

    def _put(self, text: str, indent: int, line: int = 0) -> None:
        """One line, at number `line` unless that is taken already."""
        assert "\n" not in text, text
        self.texts += [""] * (line - 1 - len(self.texts))
        self.texts.append(" " * indent + text)

    def block(self, statements: list[ast.stmt], indent: int) -> None:
        """Statements of one depth; what does nothing on a board is left out."""
        useful = [one for one in statements if not _is_idle(one)]
        for statement in useful:
            self._statement(statement, indent)
        if not useful:
            self._put("pass", indent)

    def _statement(self, node: ast.stmt, indent: int) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in node.decorator_list:
                    self._put(f"@{ast.unparse(decorator)}", indent, decorator.lineno)
                start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
                returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
                self._put(f"{start} {node.name}({ast.unparse(node.args)}){returns}:", indent, node.lineno)
                self.block(node.body, indent + 1)
            case ast.ClassDef():
                bases = ", ".join(map(ast.unparse, node.bases))
                self._put(f"class {node.name}({bases}):" if bases else f"class {node.name}:", indent, node.lineno)
                self.block(node.body, indent + 1)
            case ast.If():
                self._if(node, "if", indent)
            case ast.While():
                self._put(f"while {ast.unparse(node.test)}:", indent, node.lineno)
                self._body_and(node.body, "else", node.orelse, indent)
            case ast.For() | ast.AsyncFor():
                start = "async for" if isinstance(node, ast.AsyncFor) else "for"
                self._put(f"{start} {ast.unparse(node.target)} in {ast.unparse(node.iter)}:", indent, node.lineno)
                self._body_and(node.body, "else", node.orelse, indent)
            case ast.With() | ast.AsyncWith():
                start = "async with" if isinstance(node, ast.AsyncWith) else "with"
                self._put(f"{start} {', '.join(map(ast.unparse, node.items))}:", indent, node.lineno)
                self.block(node.body, indent + 1)
            case ast.Try():
                self._put("try:", indent, node.lineno)
                self.block(node.body, indent + 1)
                for handler in node.handlers:
                    caught = f" {ast.unparse(handler.type)}" if handler.type else ""
                    name = f" as {handler.name}" if handler.name else ""
                    self._put(f"except{caught}{name}:", indent, handler.lineno)
                    self.block(handler.body, indent + 1)
                self._rest("else", node.orelse, indent)
                self._rest("finally", node.finalbody, indent)
            case _:
                self._put(ast.unparse(node), indent, node.lineno)

    def _if(self, node: ast.If, word: str, indent: int) -> None:
        self._put(f"{word} {ast.unparse(node.test)}:", indent, node.lineno)
        self.block(node.body, indent + 1)
        match node.orelse:
            case [ast.If() as other] if other.col_offset == node.col_offset:
                self._if(other, "elif", indent)
            case others:
                self._rest("else", others, indent)

    def _body_and(self, body: list[ast.stmt], word: str, rest: list[ast.stmt], indent: int) -> None:
        self.block(body, indent + 1)
        self._rest(word, rest, indent)

    def _rest(self, word: str, statements: list[ast.stmt], indent: int) -> None:
        if statements:
            self._put(f"{word}:", indent)
            self.block(statements, indent + 1)


def _is_idle(node: ast.stmt) -> bool:
    """Whether a statement does nothing on a board: pass, a docstring, `__all__`."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    return False
