"""docs/configuration.md, made from the JSON Schemas. Laptop only; `python -m config.generate` writes it."""

import json

_HEAD = """# Configuration reference

Made from `config/model.py` by `python -m config.generate`; do not edit. `python3 deploy.py check CONFIG` says what is
wrong with a file and what the board will do with a right one ([planner.md](planner.md)). Rules between fields (pins of
the board, rates of the chip, buffers that outlast a stall) are in `config/checks.py`, boards in `config/boards/`, chips
in [drivers.md](drivers.md), working examples in `config/examples/`.

A key without a default must be there. Unknown keys are errors, and so are wrong types: `"8"` or `8.0` is no whole
number.
"""
_TITLES = {
    "config": ("The configuration", "One JSON file per device: `config.json` on the board."),
    "secrets": ("The secrets", "`secrets.json` beside the configuration; `/secrets.json` on the board."),
}


def text(schemas):
    """-> the page. `schemas`: {"config" or "secrets": JSON Schema of the model}."""
    parts = [_HEAD]
    for kind, schema in schemas.items():
        title, where = _TITLES[kind]
        parts.append(f"\n## {title}\n\n{where}\n\n{_table(schema)}")
        for name in _in_order(schema):
            part = schema["$defs"][name]
            parts.append(f"\n### {name}\n\n{_flat(part['description'])}\n\n{_table(part)}")
    return "".join(parts)


def _in_order(schema):
    """Names of the definitions, in the order in which a reader comes across them."""
    found = []

    def visit(node):
        if isinstance(node, dict):
            name = node.get("$ref", "").rpartition("/")[2]
            if name and name not in found:
                found.append(name)
                visit(schema["$defs"][name])
            for key, value in node.items():
                if key not in ("$defs", "discriminator"):
                    visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(schema["properties"])
    return found


def _table(schema):
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, field in schema["properties"].items():
        default = "-" if key in schema.get("required", ()) else _default(field)
        rows.append(f"| `{key}` | {_value(field)} | {default} | {_flat(_meaning(field))} |")
    return "\n".join(rows) + "\n"


def _default(field):
    default = field.get("default", {})
    return "`{}`".format(json.dumps(default)) if not isinstance(default, dict) or not default else "see there"


def _meaning(field):
    return field.get("description", "")


def _flat(description):
    return " ".join(description.split()).replace("|", "\\|")


def _value(field):
    """What may stand there, in words."""
    if "$ref" in field:
        return _link(field["$ref"])
    if "anyOf" in field:
        return " or ".join(_value(choice) for choice in field["anyOf"])
    if "oneOf" in field:
        return " or ".join(_value(choice) for choice in field["oneOf"])
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    return _VALUES[field["type"]](field)


def _link(ref):
    name = ref.rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def _range(field, what):
    return f"{what} {field['minimum']:,} to {field['maximum']:,}"


def _list(field):
    return "list of up to {}: {}".format(field["maxItems"], _value(field["items"]))


def _object(field):
    (value,) = field["patternProperties"].values()
    return f"names, each with {_value(value)}"


_VALUES = {
    "null": lambda field: "null",
    "boolean": lambda field: "true, false",
    "integer": lambda field: _range(field, "whole number"),
    "number": lambda field: _range(field, "number"),
    "string": lambda field: f"text of up to {field['maxLength']} characters",
    "array": _list,
    "object": _object,
}
