"""The spool's interface over a folder, for the benches of uploads; runs on MicroPython."""


class Folder:
    """`names`: [[name, [[remote name, size, sha256], ...]], ...]; each is given out once."""

    device = "bench"
    clock_fixes = ()

    def __init__(self, folder, names):
        self._folder = folder
        self._parts = dict([(name, [tuple(part) for part in parts]) for name, parts in names])
        self._names = [name for name, _ in names]  # a real spool looks at its flash, which is not what is measured here
        self._first = 0

    def pending(self, limit=32, skip=(), taken=()):
        first = self._first
        self._first = min(first + limit, len(self._names))
        return self._names[first : self._first]

    def waiting(self):
        return iter(self._parts)

    def is_pending(self, name):
        return name in self._parts

    def parts(self, name):
        return self._parts.get(name, ())

    def open(self, remote_name):
        return open(path_of(self._folder, remote_name), "rb")

    def rest(self):
        pass

    def acknowledge(self, name):
        del self._parts[name]


def path_of(folder, remote_name):
    return folder + "/" + remote_name.rsplit("/", 1)[-1]
