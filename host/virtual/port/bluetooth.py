"""The board's `bluetooth`: MicroPython's BLE class, as a peripheral, over a radio that lives in the laptop's process.

The world's `"bluetooth": {"port": N}` says where (host/virtual/radio/peripheral.py is the other end and defines the
messages). As on NimBLE, `gatts_notify` raises ENOMEM while the stack's buffers (`"buffers": 12` notifications) are
full; `"enomem_share": 0.05` makes it do so now and then for no reason. Nothing here waits for the radio: a written
value comes with its event, and what arrives is taken by an asyncio task, which waits on the socket like any other.
"""

import asyncio
import errno
import gc
import json
import struct
from binascii import hexlify, unhexlify

import usocket
from hardware import board

FLAG_READ = 0x0002
FLAG_WRITE_NO_RESPONSE = 0x0004
FLAG_WRITE = 0x0008
FLAG_NOTIFY = 0x0010
FLAG_INDICATE = 0x0020

_CENTRAL_CONNECT = 1
_CENTRAL_DISCONNECT = 2
_GATTS_WRITE = 3
_GATTS_INDICATE_DONE = 20
_MTU_EXCHANGED = 21
_ENCRYPTION_UPDATE = 28
_IPPROTO_TCP, _TCP_NODELAY = 6, 1
_buffer = bytearray(2048)  # made early: a heap that has been in use for long may have no such piece
_DEFAULT_BYTES = 20  # what a characteristic's value holds unless gatts_set_buffer says otherwise


class UUID:
    """Of 16 bits (from an int) or 128 (from text, or 16 bytes with the least significant first)."""

    def __init__(self, value):
        if isinstance(value, UUID):
            self._bytes = value._bytes
        elif isinstance(value, int):
            self._bytes = struct.pack("<H", value)
        elif isinstance(value, str):
            self._bytes = bytes(reversed(unhexlify(value.replace("-", ""))))
        else:
            self._bytes = bytes(value)
        if len(self._bytes) not in (2, 16):
            raise ValueError("invalid UUID")

    def __iter__(self):  # bytes(uuid): MicroPython looks for no __bytes__
        return iter(self._bytes)

    def __eq__(self, other):
        return isinstance(other, UUID) and self._bytes == other._bytes

    def __hash__(self):
        return hash(self._bytes)

    def hex(self):
        """Most significant byte first."""
        return hexlify(bytes(reversed(self._bytes))).decode()


class _Value:
    """One characteristic's or descriptor's value."""

    def __init__(self):
        self.data = b""
        self.room = _DEFAULT_BYTES
        self.append = False

    def write_remote(self, data):
        """What does not fit is cut off, as NimBLE's glue code does."""
        self.data = ((self.data if self.append else b"") + data)[: self.room]

    def read(self):
        data = self.data
        if self.append:
            self.data = b""
        return data


class BLE:
    """As bluetooth.BLE; every object is the same radio."""

    _radio = None

    def __new__(cls):
        if BLE._radio is None:
            BLE._radio = object.__new__(cls)
            BLE._radio._init()
        return BLE._radio

    def __init__(self):
        pass

    def _init(self):
        self._world = board.world["bluetooth"]
        self._irq = None
        self._socket = None
        self._reader = None
        self._values = []
        self._connected = {}  # handle -> (address type, address)
        self._free = 0  # buffers
        self._random = 1
        self._config = {"mtu": 256, "gap_name": b"MPY"}

    def active(self, on=None):
        """Whether the radio is on, or switch it."""
        if on is None:
            return self._socket is not None
        if on and self._socket is None:
            self._socket = usocket.socket()
            self._socket.connect(usocket.getaddrinfo("127.0.0.1", self._world["port"])[0][-1])
            self._socket.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)  # else the second notification waits for an ACK
            self._free = self._world.get("buffers", 12)
            self._reader = asyncio.create_task(self._read())
            self._send("C", json.dumps({"mtu": self._config["mtu"]}).encode())
        elif not on and self._socket is not None:
            self._reader.cancel()
            self._socket.close()
            self._socket = None
            self._values = []
            self._connected = {}
        return self.active()

    def irq(self, handler):
        """`handler(event, data)` is called for every event."""
        self._irq = handler

    def config(self, *what, **values):
        """Set parameters, or get one."""
        if what:
            if what[0] == "mac":
                return (1, unhexlify(self._world["address"].replace(":", "")))
            if what[0] not in self._config:
                raise ValueError("unknown config param")
            return self._config[what[0]]
        for name in values:
            if name not in ("mtu", "gap_name", "rxbuf", "bond", "mitm", "io", "le_secure", "addr_mode"):
                raise ValueError("unknown config param")
        if "mtu" in values and not 23 <= values["mtu"] <= 65535:
            raise OSError(errno.EINVAL)
        self._config.update(values)
        if self._socket:
            shown = {name: values[name] for name in values if name not in ("gap_name", "rxbuf", "addr_mode")}
            self._send("C", json.dumps(shown).encode())

    # --- GAP

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        """Advertise, or stop it (None). Data that is None stays as it was."""
        self._must_be_active()
        if interval_us is None:
            self._send("G", b"{}")
            return
        data = {"interval_us": interval_us, "connectable": connectable}
        for name, content in (("adv", adv_data), ("resp", resp_data)):
            if content is not None:
                if len(content) > 31:
                    raise OSError(errno.EINVAL)
                data[name] = hexlify(content).decode()
        self._send("G", json.dumps(data).encode())

    def gap_disconnect(self, conn_handle):
        """-> False when there is no such connection."""
        self._must_be_active()
        if conn_handle not in self._connected:
            return False
        self._send("D", struct.pack("<H", conn_handle))
        return True

    # --- GATT server

    def gatts_register_services(self, services):
        """((uuid, ((uuid, flags[, ((uuid, flags), ...)]), ...)), ...) -> the handles in the same order."""
        self._must_be_active()
        self._values = []
        handles = []
        described = []
        for uuid, characteristics in services:
            found = []
            members = []
            for characteristic in characteristics:
                found.append(self._new_value())
                descriptors = characteristic[2] if len(characteristic) > 2 else ()
                members.append((characteristic[0].hex(), characteristic[1], [(d[0].hex(), d[1]) for d in descriptors]))
                for _ in descriptors:
                    found.append(self._new_value())
            handles.append(tuple(found))
            described.append((uuid.hex(), members))
        self._send("S", json.dumps(described).encode())
        return tuple(handles)

    def _new_value(self):
        self._values.append(_Value())
        return len(self._values)

    def _value(self, handle):
        self._must_be_active()
        if not 1 <= handle <= len(self._values):
            raise OSError(errno.EINVAL)
        return self._values[handle - 1]

    def gatts_read(self, value_handle):
        return self._value(value_handle).read()

    def gatts_write(self, value_handle, data, send_update=False):
        value = self._value(value_handle)
        value.data = bytes(data)
        value.room = max(value.room, len(value.data))
        self._send("W", struct.pack("<H", value_handle) + value.data)
        if send_update:
            for connection in self._connected:
                self.gatts_notify(connection, value_handle)

    def gatts_set_buffer(self, value_handle, len, append=False):
        value = self._value(value_handle)
        value.room = len
        value.append = append

    def gatts_notify(self, conn_handle, value_handle, data=None):
        """ENOMEM: the stack's buffers are full. What is longer than MTU - 3 is cut off."""
        value = self._value(value_handle)
        self._must_be_connected(conn_handle)
        if self._free == 0 or self._fails():
            raise OSError(errno.ENOMEM)
        self._free -= 1
        self._send("N", struct.pack("<HH", conn_handle, value_handle), value.data if data is None else data)

    def gatts_indicate(self, conn_handle, value_handle, data=None):
        value = self._value(value_handle)
        self._must_be_connected(conn_handle)
        self._send("I", struct.pack("<HH", conn_handle, value_handle), value.data if data is None else data)

    # --- the radio

    def _must_be_active(self):
        if self._socket is None:
            raise OSError(errno.ENODEV)

    def _must_be_connected(self, conn_handle):
        if conn_handle not in self._connected:
            raise OSError(errno.ENOTCONN)

    def _fails(self):
        """ENOMEM on purpose: a linear congruential generator, so that every run does the same."""
        self._random = (self._random * 1103515245 + 12345) & 0x3FFFFFFF
        return (self._random >> 15) < self._world.get("enomem_share", 0) * 0x8000

    def _send(self, kind, head, data=b""):
        self._socket.write(struct.pack("<HB", len(head) + len(data), ord(kind)) + head + bytes(data))

    def _read(self):  # a coroutine; "yield" is what asyncio.core offers to wait for a stream
        """Take events from the radio, for ever. A radio that is gone takes its connections with it."""
        view = memoryview(_buffer)
        have = 0
        while True:
            yield asyncio.core._io_queue.queue_read(self._socket)
            self._socket.setblocking(False)  # as much as is there; writing waits
            got = self._socket.readinto(view[have:])
            self._socket.setblocking(True)
            if got is None:
                continue
            if not got:
                for handle in list(self._connected):
                    self._event(ord("d"), struct.pack("<H", handle))
                return
            have += got
            at = 0
            while have - at >= 3:
                n, kind = struct.unpack_from("<HB", _buffer, at)
                if have - at < 3 + n:
                    break
                try:
                    self._event(kind, bytes(view[at + 3 : at + 3 + n]))
                except MemoryError:  # a real stack has memory of its own for its events
                    gc.collect()
                    self._event(kind, bytes(view[at + 3 : at + 3 + n]))
                at += 3 + n
            view[: have - at] = view[at:have]
            have -= at

    def _event(self, kind, data):
        if kind == ord("s"):
            self._free += data[0]
            return
        handle = data[0] | data[1] << 8
        if kind == ord("c"):
            peer = (data[2], data[3:9])
            self._connected[handle] = peer
            self._free = self._world.get("buffers", 12)
            self._call(_CENTRAL_CONNECT, (handle, peer[0], peer[1]))
        elif handle not in self._connected:
            return
        elif kind == ord("d"):
            peer = self._connected.pop(handle)
            self._call(_CENTRAL_DISCONNECT, (handle, peer[0], peer[1]))
        elif kind == ord("w"):
            value = data[2] | data[3] << 8
            self._values[value - 1].write_remote(data[4:])
            self._call(_GATTS_WRITE, (handle, value))
        elif kind == ord("m"):
            self._call(_MTU_EXCHANGED, (handle, data[2] | data[3] << 8))
        elif kind == ord("i"):
            self._call(_GATTS_INDICATE_DONE, (handle, data[2] | data[3] << 8, data[4]))
        elif kind == ord("e"):
            self._call(_ENCRYPTION_UPDATE, (handle, bool(data[2]), bool(data[3]), bool(data[4]), data[5]))

    def _call(self, event, data):
        if self._irq:
            self._irq(event, data)
