"""Numbers that the schema does not allow, brought to the nearest one that it does."""

from config.rules import RULES

# What is soldered or wired where, and who is addressed: nobody can guess it from a wrong number.
_FIXED = {
    "id", "address", "port", "cs", "int_pin", "pin", "charging_pin",
    "scl", "sda", "sck", "mosi", "miso", "ws", "sd", "clk", "data",
}  # fmt: skip


def nearest(raw: object, path: str) -> int | float | None:
    """The allowed number nearest to the one that stands at `path` of a configuration as parsed; None: it is allowed,
    or no number, or there is none to be named.
    """
    rule: tuple | None = RULES["config"]
    parts = path.split(".")
    for part in parts:
        rule, raw = _inside(rule, raw, part)
    if rule is None or isinstance(raw, bool) or not isinstance(raw, int | float) or parts[-1] in _FIXED:
        return None
    found = _allowed(rule, raw)
    return None if found == raw and type(found) is type(raw) else found


def _inside(rule: tuple | None, raw: object, part: str) -> tuple[tuple | None, object]:
    """Rule and value of a member; (None, None) where there is no such place."""
    rule = _without_null(rule)
    if rule and rule[0] == "union" and isinstance(raw, dict):
        rule = next((choice for tags, choice in rule[2] if raw.get(rule[1]) in tags), None)
    match rule, raw:
        case ("object", fields), {**members} if part in fields and part in members:
            return fields[part][0], members[part]
        case ("map", _, value, _), {**members} if part in members:
            return value, members[part]
        case ("list", item, _, _), [*items] if part.isdecimal() and int(part) < len(items):
            return item, items[int(part)]
    return None, None


def _without_null(rule: tuple | None) -> tuple | None:
    return rule[1] if rule and rule[0] == "null" else rule


def _allowed(rule: tuple, value: int | float) -> int | float | None:
    match _without_null(rule):
        case ("int", low, high):
            return round(min(max(value, low), high))
        case ("number", low, high):
            return min(max(value, low), high)
        case ("enum", values) if len(values) > 1 and all(type(one) is int for one in values):
            return min(values, key=lambda one: abs(one - value))
    return None
