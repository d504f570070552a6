"""`python -m host.packages`: brings package.json, what `mpremote mip install` of this checkout copies, up to date."""

import json
from pathlib import Path

from host.board_files import ROOT, board_files

PACKAGE = ROOT / "package.json"


def whole(package: dict, root: Path = ROOT) -> dict:
    """`package` (a mip package.json as parsed) with every board-side file of the checkout as its `urls`."""
    return package | {"urls": [[name, name] for name in board_files(root)]}


def text(package: dict) -> str:
    """As JSON with one line per file or dependency."""
    lines = []
    for key, value in package.items():
        if isinstance(value, list):
            items = ",\n".join(f"    {json.dumps(item)}" for item in value)
            lines.append(f'  "{key}": [\n{items}\n  ]')
        else:
            lines.append(f'  "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    PACKAGE.write_text(text(whole(json.loads(PACKAGE.read_text()))))
