"""Commands that come in by MQTT, and their replies."""

import json

_KEPT = 8  # so many ids are remembered, with their replies
_KEPT_TEXT = 200  # characters of a reply that is given a second time
_LONGEST_ID = 64


class Commands:
    """Obeys `{"id": ..., "do": "a console line"}` with `do(line) -> (ok, text)`; None: nothing is obeyed.

    `obey(payload, retained)` -> the reply as bytes, of `{"id", "ok", "text"}`. A command whose id is one of the last 8
    is answered again and not done again: it comes twice when its acknowledgement is lost.
    """

    def __init__(self, do):
        self._do = do
        self._answered = []  # [id, ok, text]

    def obey(self, payload, retained):
        """`payload`: a memoryview, or None when it was too long to be kept."""
        try:
            command = json.loads(bytes(payload)) if payload is not None else {}
            number, line = command["id"], command["do"]
            if not isinstance(line, str) or len(str(number)) > _LONGEST_ID:
                raise ValueError
        except (ValueError, KeyError, TypeError, MemoryError):
            if payload is None:
                return _reply(None, False, "not done: the command is longer than 4096 bytes")
            return _reply(None, False, 'not done: a command is {"id": "up to 64 characters", "do": "..."}')
        for known in self._answered:
            if known[0] == number:
                return _reply(*known)
        if retained:  # it would be done again after every restart
            return _reply(number, False, "not done: send commands without the retain flag")
        ok, text = self._done(line)
        self._answered.append([number, ok, text[:_KEPT_TEXT]])
        if len(self._answered) > _KEPT:
            self._answered.pop(0)
        return _reply(number, ok, text)

    def _done(self, line):
        if self._do is None:
            return False, "not done: this board takes no commands"
        try:
            ok, text = self._do(line)
        except (OSError, ValueError, MemoryError) as error:
            return False, "not done: %s" % (str(error) or "not enough memory")
        return bool(ok), text


def _reply(number, ok, text):
    return json.dumps({"id": number, "ok": ok, "text": text}).encode()
