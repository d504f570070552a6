"""The real collector for the chaos suite: in a thread (`Receiver`), or a process that dies on the spot (`Mortal`)."""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import host.collector.ble
import host.collector.mqtt
from host.ble import Radio
from host.collector import Collector
from host.collector.ble import BleFront
from host.collector.mqtt import MqttFront
from host.mqtt_broker import Broker
from host.store import Store
from tests.tools.ports import Port
from tests.transport.certificates import Authority

TOKEN = "correct-horse"
POINTS = ("written", "linked", "recorded")  # where a collector dies: see `deadly`
ROOT = Path(__file__).parents[2]


def quick() -> None:
    """Fronts that do not wait for seconds until they try again."""
    host.collector.mqtt.RETRY_S = (0.02, 0.1)
    host.collector.ble.SCAN_S, host.collector.ble.PAUSE_S = 1, 0.05


def make(out: Path, broker_port: int | None = None, radio: Radio | None = None) -> Collector:
    collector = Collector(out, token=TOKEN)
    if broker_port:
        collector.add_front(MqttFront(collector.ingest, Broker("127.0.0.1", broker_port)))
    if radio:
        collector.add_front(BleFront(collector.ingest, radio=radio, parts=out.parent / "parts"))
    return collector


class Receiver:
    """`with Receiver(out, authority, broker_port) as receiver:` listens at `port`, TLS, in a thread of its own.

    `is_full`: its disk has no room, until it is set to False.
    """

    def __init__(self, out: Path, authority: Authority, broker_port: int | None = None):
        self.out, self._tls, self._broker_port = out, authority.server(), broker_port
        self.is_full = False
        self.asked = 0  # how often somebody looked whether there is room

    def __enter__(self) -> "Receiver":
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)))
        self._thread.start()
        assert ready.wait(120)
        return self

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        collector = make(self.out, self._broker_port)
        collector.store.free_bytes = self._free_bytes
        self.port = await collector.start(ssl_context=self._tls)
        while self._broker_port and collector.status()["fronts"]["mqtt"]["state"] != "connected":
            await asyncio.sleep(0.01)
        ready.set()
        await self._over.wait()
        await collector.stop()

    def _free_bytes(self) -> int | None:
        self.asked += 1
        return 0 if self.is_full else None


def deadly(store: Store, point: str, number: int) -> None:
    """This process kills itself with the `number`th file that comes: when its bytes are "written" but not published,
    when it is "linked" under its name but not in SHA256SUMS, or when it is "recorded" there but not answered for.
    """
    publish, confirm, left = store.publish, store.confirm, [number]

    def die(where: str) -> None:
        if where == point and left[0] <= 0:  # below 0: others came meanwhile, in other threads
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly_publish(upload):
        left[0] -= 1
        die("written")
        stored = publish(upload)
        die("recorded")
        return stored

    def deadly_confirm(place, sha256):
        die("linked")
        confirm(place, sha256)

    store.publish, store.confirm = deadly_publish, deadly_confirm


class Mortal:
    """`with Mortal(out, folder, plan, ...)`: a collector that is started again each time it has died.

    `plan`: (point, number of the file) for each of its lives; the last one is eternal. `deaths`: how often it died.
    """

    def __init__(self, out: Path, folder: Path, plan: list[tuple[str, int]], authority: Authority, **how: object):
        self._plan, self.deaths = list(plan), 0
        before = set(authority.pem.parent.glob("server-*.pem"))
        authority.server()
        (pem,) = set(authority.pem.parent.glob("server-*.pem")) - before
        self._words = [sys.executable, "-m", "tests.chaos.collector", str(out), "--pem", str(pem)]
        self._words += [f"--{name}={value}" for name, value in how.items()]
        self._held = Port()  # through all its lives
        self.port = self._held.number
        self._words += [f"--port={self.port}"]
        self._log = folder / "collector.log"
        self._is_over = False

    def __enter__(self) -> "Mortal":
        self._start()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._is_over = True
        self._process.terminate()
        self._thread.join()
        self._held.close()

    def _start(self) -> None:
        """Returns when it listens at `port`."""
        words = [*self._words, *(f"--die={point},{number}" for point, number in self._plan[:1])]
        self._plan = self._plan[1:]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout.readline() == f"{self.port}\n", self._log.read_text()

    def _live(self) -> None:
        while self._process.wait() == -signal.SIGKILL and not self._is_over:
            self._process.stdout.close()
            self.deaths += 1
            self._start()
        self._process.stdout.close()


async def _main(args: argparse.Namespace) -> None:
    import ssl

    radio = None
    if args.hci:
        from host.virtual.radio.central import BumbleRadio

        radio = BumbleRadio(args.hci)
    quick()
    collector = make(args.out, args.broker_port, radio)
    if args.die:
        point, number = args.die.split(",")
        deadly(collector.store, point, int(number))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(args.pem)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    print(await collector.start(port=args.port, ssl_context=tls), flush=True)
    await over.wait()
    await collector.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--pem")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--broker_port", type=int)
    parser.add_argument("--hci")
    parser.add_argument("--die")
    asyncio.run(_main(parser.parse_args()))
