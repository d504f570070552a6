"""The air: virtual Bluetooth controllers within reach of each other, over a link with the timing of a real one.

bumble's controllers pass data on at once. Here each direction of a connection carries at most `packets` packets of
the link layer (251 bytes each) per connection event, an event every `interval_ms`: 15 ms and 4 packets make about
65 kB/s, what phones and laptops commonly allow. `interval_ms` 0: no model, at once.
"""

import asyncio
from collections import deque

from bumble import hci, ll
from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSource

PACKET_BYTES = 251  # of an L2CAP PDU in one packet of the link layer (Data Length Extension, Core 6.B.2.4)
SUPERVISION_TIMEOUT = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR


class Air(LocalLink):
    """See the module. `sent`: of each peripheral, called with each PDU once the other side has it. `events`,
    `packets_sent`: connection events and data packets so far.
    """

    def __init__(self, interval_ms: float = 0, packets: int = 4):
        super().__init__()
        self.interval_s, self.packets = interval_ms / 1000, packets
        self.sent = {}  # a peripheral's controller -> function(pdu)
        self.stalled = False  # centrals take nothing any more, but the link stays up and carries what they send
        self.events = self.packets_sent = 0
        self._cut_in: int | None = None
        self._queues: dict[tuple, deque] = {}
        self._task: asyncio.Task | None = None
        self._server: asyncio.Server | None = None

    def controller(self, name: str, source=None, sink=None) -> Controller:
        """A new radio."""
        controller = Controller(name, host_source=source, host_sink=sink, link=self)
        controller.le_acl_data_packet_length = PACKET_BYTES
        return controller

    def cut_after(self, pdus: int) -> None:
        """The next data PDU but `pdus` is lost, and with it the connection: out of range."""
        self._cut_in = pdus

    @property
    def is_to_cut(self) -> bool:
        """Whether that is still to come."""
        return self._cut_in is not None

    def drop(self, controller: Controller) -> None:
        """A radio is gone; its peers notice."""
        for connection in list(controller.le_connections.values()):
            peer = self.find_le_controller(connection.peer_address)
            if peer and (theirs := peer.le_connections.get(connection.self_address)):
                peer.on_le_disconnected(theirs, SUPERVISION_TIMEOUT)
        controller.le_connections.clear()
        controller.le_legacy_advertiser.stop()
        self.sent.pop(controller, None)
        if controller in self.controllers:
            self.remove_controller(controller)

    # --- data

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        if self._cut_in is not None:
            self._cut_in -= 1
            if self._cut_in < 0:
                self._cut_in = None
                self._lose(sender_controller, destination_address)
                return
        queue = self._queues.setdefault((sender_controller, destination_address), deque())
        queue.append((transport, data, -(-len(data) // PACKET_BYTES)))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _lose(self, sender: Controller, destination) -> None:
        for controller in [sender, self.find_le_controller(destination)]:
            for connection in list(controller.le_connections.values()) if controller else ():
                controller.on_le_disconnected(connection, SUPERVISION_TIMEOUT)

    async def _run(self) -> None:
        """Connection events as long as something waits, each at its time whatever the last one took. One that is missed
        is not made up for: what this machine was too slow for is no time of the link's.
        """
        loop = asyncio.get_running_loop()
        due = loop.time()
        while any(self._queues.values()):
            due = max(due + self.interval_s, loop.time())
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self.stalled:
                await asyncio.sleep(0.01)
            self.events += 1
            for key, queue in list(self._queues.items()):
                if not (self.stalled and key[0] in self.sent):
                    self._deliver(*key, queue)

    def _deliver(self, sender: Controller, destination, queue: deque) -> None:
        left = self.packets if self.interval_s else len(queue) * 100
        while queue and left > 0:
            transport, data, packets = queue[0]
            if packets > left:  # the rest of a long PDU in the next event
                queue[0] = (transport, data, packets - left)
                self.packets_sent += left
                return
            queue.popleft()
            left -= packets
            self.packets_sent += packets
            super().send_acl_data(sender, destination, transport, data)
            if sender in self.sent:
                self.sent[sender](data)
        if not queue:
            del self._queues[sender, destination]

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        """A disconnection throws away what is on its way."""
        if isinstance(packet, ll.TerminateInd):
            for key in [key for key in self._queues if key[1] in (sender_address, receiver_address)]:
                del self._queues[key]
        if self.find_le_controller(receiver_address):  # else it is gone already
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    # --- for clients in other processes

    async def serve_hci(self, port: int = 0) -> int:
        """Every TCP connection to 127.0.0.1:port gets a radio of its own: HCI packets (H4). -> the port.

        A bumble program reaches it as `tcp-client:127.0.0.1:PORT`.
        """
        self._server = await asyncio.start_server(self._client, "127.0.0.1", port)
        return self._server.sockets[0].getsockname()[1]

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = StreamPacketSource()
        controller = self.controller("client", source, _Sink(writer))
        try:
            while data := await reader.read(4096):
                source.data_received(data)
        except ConnectionError:
            pass
        finally:
            self.drop(controller)
            controller.host = None
            writer.close()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
        if self._server:
            self._server.close()


class _Sink:
    def __init__(self, writer: asyncio.StreamWriter):
        self._writer = writer

    def on_packet(self, packet: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(packet)
