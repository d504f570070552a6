"""Applies the field rules of `rules.py` to a parsed file. Board and laptop.

A rule is a tuple; its first item says what is allowed:
`("object", {key: (rule,) or (rule, default)})`, `("map", key rule, rule, least)`, `("list", rule, least, most)`,
`("union", key, ((tags, object rule), ...))`, `("null", rule)`, `("enum", values)`, `("int", low, high)`,
`("number", low, high)`, `("bool",)`, `("text", shortest, longest, first, rest)` with the characters that may be first
and follow as in a regular expression's `[a-z_]`, or None for any.

An error is a tuple `(path, reason, remedy)`.
"""

from config.strictjson import join, label

_NAMES = {
    "object": "an object",
    "map": "an object",
    "list": "a list",
    "int": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "text": "text",
}


def validate(rule, value, path, errors):
    """`value` with defaults filled in; what is wrong is None, or left out of its object, and noted in `errors`."""
    kind = rule[0]
    if kind == "null":
        return None if value is None else validate(rule[1], value, path, errors)
    if kind == "enum":
        for allowed in rule[1]:
            if type(value) is type(allowed) and value == allowed:
                return value
        return _wrong(rule, value, path, errors)
    if kind == "union":
        return _union(rule, value, path, errors)
    if not _TYPES[kind](value):
        return _wrong(rule, value, path, errors)
    if kind == "object":
        return _object(rule, value, path, errors)
    if kind == "map":
        return _map(rule, value, path, errors)
    if kind == "list":
        return _list(rule, value, path, errors)
    if kind == "text":
        return _text(rule, value, path, errors)
    right = kind == "bool" or rule[1] <= value <= rule[2]
    return value if right else _wrong(rule, value, path, errors)


def allowed(rule):
    """What a rule allows, in words."""
    kind = rule[0]
    if kind == "null":
        return allowed(rule[1]) + ", or null"
    if kind == "enum":
        return "one of " + listed(rule[1]) if len(rule[1]) > 1 else shown(rule[1][0])
    if kind == "union":
        return "an object whose '{}' is one of {}".format(rule[1], _tags(rule))
    if kind == "object":
        return "an object with " + listed(rule[1])
    if kind == "list":
        return "a list of {} to {}, each {}".format(rule[2], rule[3], allowed(rule[1]))
    if kind in ("int", "number"):
        return "{} from {} to {}".format(_NAMES[kind], rule[1], rule[2])
    if kind == "text":
        length = rule[1] if rule[1] == rule[2] else "{} to {}".format(rule[1], rule[2])
        return "text of {} characters".format(length) + _spelling(rule[3], rule[4])
    return _NAMES[kind]


def listed(values):
    """`1, "a", null`: values or keys as JSON, separated by commas."""
    return ", ".join([shown(value) for value in values])


def shown(value):
    """A value as it stands in JSON, cut short; of an object or list only what it is."""
    if isinstance(value, str):
        return '"{}"'.format(label(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    return str(value)


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES = {
    "object": lambda value: isinstance(value, dict),
    "map": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "int": _is_int,
    "number": lambda value: isinstance(value, float) or _is_int(value),
    "bool": lambda value: isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
}


def _wrong(rule, value, path, errors):
    errors.append((path, "{} is not allowed here".format(shown(value)), "give " + allowed(rule)))


def _text(rule, value, path, errors):
    """The text is not repeated in the error: a wrong address may hold a password."""
    if not rule[1] <= len(value) <= rule[2]:
        errors.append((path, "is {} characters long".format(len(value)), "give " + allowed(rule)))
    elif not _spelled(value, rule[3], rule[4]):
        errors.append((path, "has a character that is not allowed there", "give " + allowed(rule)))
    else:
        return value


def _object(rule, value, path, errors):
    out = {}
    for key in value:
        if key not in rule[1]:
            errors.append((join(path, key), "unknown key", "known here: " + listed(sorted(rule[1]))))
    for key, field in rule[1].items():
        member = join(path, key)
        if key not in value and len(field) == 1:
            errors.append((member, "is missing", "add it: " + allowed(field[0])))
            continue
        before = len(errors)
        filled = validate(field[0], value[key] if key in value else field[1], member, errors)
        # An object or a list keeps its right members; a wrong plain value is left out.
        if filled is not None or len(errors) == before:
            out[key] = filled
    out.pop("$schema", None)
    return out


def _map(rule, value, path, errors):
    out = {}
    for key in value:
        before = len(errors)
        validate(rule[1], key, join(path, key), errors)
        named = len(errors) == before
        filled = validate(rule[2], value[key], join(path, key), errors)
        if named:
            out[key] = filled
    if len(value) < rule[3]:
        errors.append((path, "is empty", "give at least {}".format(rule[3])))
    return out


def _list(rule, value, path, errors):
    if len(value) > rule[3]:
        errors.append((path, "has {} items".format(len(value)), "give " + allowed(rule)))
        return None
    before = len(errors)
    out = [validate(rule[1], value[i], join(path, i), errors) for i in range(len(value))]
    if len(errors) > before:
        return None
    if len(value) < rule[2]:
        errors.append((path, "is empty", "give " + allowed(rule)))
        return None
    return out


def _union(rule, value, path, errors):
    if not isinstance(value, dict):
        return _wrong(rule, value, path, errors)
    member = join(path, rule[1])
    if rule[1] not in value:
        errors.append((member, "is missing", "add it: one of " + _tags(rule)))
        return None
    tag = value[rule[1]]
    for tags, choice in rule[2]:
        if tag in tags:
            return _object(choice, value, path, errors)
    errors.append((member, "{} is not allowed here".format(shown(tag)), "give one of " + _tags(rule)))
    return None


def _tags(rule):
    return listed(sorted([tag for tags, _ in rule[2] for tag in tags]))


def _spelled(text, first, rest):
    if first is None or not text:
        return True
    if not _in_class(text[0], first):
        return False
    for char in text:
        if not _in_class(char, rest):
            return False
    return True


def _in_class(char, chars):
    """Whether `[chars]` of a regular expression takes `char`: single characters, ranges, and a leading `^`."""
    i = 1 if chars[0] == "^" else 0
    found = False
    while i < len(chars):
        is_range = i + 2 < len(chars) and chars[i + 1] == "-"
        if chars[i] <= char <= chars[i + 2 if is_range else i]:
            found = True
        i += 3 if is_range else 1
    return found != (chars[0] == "^")


def _spelling(first, rest):
    if first is None:
        return ""
    if rest[0] == "^":
        return " without control characters"
    if rest in ("!-~", " -~"):
        return " in plain ASCII" + ("" if rest[0] == " " else " without spaces") + _beginning(first, rest)
    return " out of " + rest + _beginning(first, rest)


def _beginning(first, rest):
    return "" if first == rest else ", the first out of " + first
