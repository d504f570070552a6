"""Commands for the running board: one line of text in, `(ok, text)` out. The console, MQTT and BLE all come here.

    start                 record (again)
    stop                  end the recording; the program goes on: uploads, commands
    pause                 the same, and begin another after two minutes: for a laptop that might be gone by then
    label TEXT            mark this instant of the recording
    label-start TEXT      ... or the beginning
    label-end TEXT        ... and the end of what TEXT names
    status                the board's state as JSON
    reconfigure {...}     take another configuration, from the next boot on
    reboot                end the recording and start the board anew
    safe-mode             end the recording and do nothing more but listen
    exit                  end the recording, ship what is there, end the program

An order that takes time is begun here and carried out by the main loop (app/loop.py); labels and configurations are on
the flash when `do` returns.
"""

import json

MAX_TEXT = 200  # characters of a label
MAX_OPEN = 8  # labels begun and not ended


class Control:
    """`do` for `board` (app.main.Board). Orders wait in `board.orders`, for the main loop to take."""

    def __init__(self, board):
        self._board = board
        self._begun = {}  # text of a label -> its entry, in the session ...
        self._session = None  # ... of this name

    def do(self, line, who="console"):
        """Obey one line. -> (whether it could be, one sentence). Never raises for what a user may send."""
        name, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if self._board.state == "safe" and name not in ("status", "reconfigure", "reboot", "exit"):
            return False, "the board is in safe mode (%s): reboot leaves it" % self._board.why
        if name in ("label", "label-start", "label-end", "reconfigure"):
            if not rest:
                return False, "%s what? %s" % (name, "{json}" if name == "reconfigure" else "a text is missing")
            try:
                return self._reconfigure(rest) if name == "reconfigure" else self._label(name, rest, who)
            except OSError as error:
                return False, "the flash does not take it: %s" % error
            except MemoryError:
                return False, "there is not enough memory for that now: try again, or after stop"
        if name not in ("start", "stop", "pause", "status", "reboot", "safe-mode", "exit"):
            return False, "unknown command %r; there are: start, stop, pause, label TEXT, label-start TEXT, " \
                "label-end TEXT, status, reconfigure {json}, reboot, safe-mode, exit" % name[:32]  # fmt: skip
        if rest:
            return False, "%s takes nothing behind it" % name
        if name == "status":
            return True, json.dumps(self._board.snapshot())
        return self._order(name)

    def _order(self, name):
        orders = self._board.orders
        records = orders[-1] == "start" if orders else self._board.state == "recording"
        if name == "start" and records:
            return False, "it is recording already"
        orders.append(name)
        return True, {
            "start": "the recording begins",
            "stop": "the recording ends" if records else "nothing is recorded until start",
            "pause": "the recording ends for two minutes" if records else "nothing is recorded",
            "reboot": "the board starts anew",
            "safe-mode": "the board goes into safe mode",
            "exit": "the program ends",
        }[name]

    def _label(self, kind, text, who):
        spool = self._board.spool
        if len(text) > MAX_TEXT:
            return False, "a label has at most %d characters, this has %d" % (MAX_TEXT, len(text))
        if spool.session != self._session:
            self._session = spool.session
            self._begun = {}
        t_us = self._board.clock.t_us()
        start_t_us = t_us
        if kind == "label-end":
            if text not in self._begun:
                return False, "no label of that text was begun in this recording"
            start_t_us = self._begun[text]
        elif kind == "label-start":
            if len(self._begun) >= MAX_OPEN and text not in self._begun:
                return False, "%d labels are begun already: label-end ends one" % MAX_OPEN
        end_t_us = None if kind == "label-start" else t_us
        try:
            spool.label({"start_t_us": start_t_us, "end_t_us": end_t_us, "text": text, "who": who})
        except ValueError as error:
            return False, str(error)
        if kind == "label-start":
            self._begun[text] = t_us
        elif kind == "label-end":
            del self._begun[text]
        return True, "labelled at %d us" % t_us

    def _reconfigure(self, text):
        """The rules are loaded for this, and forgotten: 55 KB of heap on the 64-bit port."""
        from app.main import CONFIG, SECRETS, forget

        try:
            from config.loader import replace

            errors = replace(CONFIG, text.encode(), SECRETS)
        finally:
            forget("config")
        if errors:
            path, reason, remedy = errors[0]
            more = " (and %d more)" % (len(errors) - 1) if len(errors) > 1 else ""
            return False, "refused: %s %s, %s%s" % (path or "the configuration", reason, remedy, more)
        return True, "the new configuration is used from the next boot on"
