"""`deploy.py collect`: receive what boards deliver, until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import ipaddress
import json
import logging
import signal
import socket
import sys
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from host import certs, mistakes, mqtt_broker
from host.collector import Collector
from host.collector.ble import BleFront
from host.collector.mdns import Announcement
from host.collector.mqtt import GROUP, MqttFront
from host.collector.objects import ObjectStore
from host.mqtt_broker import Broker
from host.store import Store
from host.systemd import Notifier

REFRESH_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Receive data over HTTPS, over MQTT if a broker is named, and over Bluetooth with --ble, into a folder or an "
        "object store. A certificate is made on first use; boards need the ca.der that is printed. Ends with Ctrl-C or "
        "SIGTERM. "
        "docs/fleet.md: several workers, systemd, the broker's settings."
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="(default out/collected)")
    parser.add_argument(
        "--store", metavar="URL", help="in place of --out: s3://BUCKET/PREFIX, gs://..., az://..., file:///DIR"
    )
    parser.add_argument("--host", metavar="H", help="address to listen on (default: all of them, IPv4)")
    parser.add_argument("--port", type=int, default=8443, metavar="N", help="0: any free one (default 8443)")
    parser.add_argument("--no-https", action="store_true", help="MQTT or Bluetooth only")
    parser.add_argument(
        "--ble", nargs="?", const="", metavar="NAME", help="fetch from boards in Bluetooth's reach, or from NAME only"
    )
    parser.add_argument("--no-mdns", action="store_true", help="do not announce it on the local network")
    parser.add_argument("--presign", action="store_true", help="data files go straight to the store, by signed URLs")
    parser.add_argument("--token-file", type=Path, metavar="F", help="a file with the token that boards must send")
    parser.add_argument(
        "--client-ca", type=Path, metavar="F", help="let in only boards with a certificate that this one signed"
    )
    parser.add_argument(
        "--client-cert", action="append", default=[], metavar="DEVICE",
        help="make a certificate for a device, signed by the ca.der that is printed, in clients/ beside that",
    )  # fmt: skip
    parser.add_argument("--cert-dir", type=Path, metavar="DIR", help="(default ~/.config/motelog/collector)")
    mqtt_broker.add_arguments(parser)
    parser.add_argument("--group", default=GROUP, metavar="NAME", help=f"of workers that share the data ({GROUP})")
    parser.add_argument(
        "--json", action="store_true", help="JSON on stdout: one line when ready, one with the status at the end"
    )


def run(args: argparse.Namespace) -> int:
    console = Console(stderr=args.json)
    _log(console)
    try:
        broker, store = mqtt_broker.of_arguments(args), _store(args)
        _check(args, broker)
        token = _read_token(args.token_file)
        hosts = [args.host] if args.host else ["localhost", "127.0.0.1", *_own_addresses()]
        folder = args.cert_dir or Path.home() / ".config/motelog/collector"
        identity = None if args.no_https else certs.make(folder, list(dict.fromkeys(hosts)))
        for device in args.client_cert if identity else ():
            identity.client(device)
        collector = Collector(store, token=token, presign=args.presign)
        if broker:
            collector.add_front(MqttFront(collector.ingest, broker, group=args.group))
        if args.ble is not None:
            collector.add_front(BleFront(collector.ingest, only=args.ble or None))
        asyncio.run(_serve(args, console, collector, hosts, identity))
    except (ValueError, OSError) as error:  # CertError is a ValueError
        return mistakes.report("collect", _told(args, error), args.json)
    return 0


def _check(args, broker: Broker | None) -> None:
    """What does not go together."""
    if not 0 <= args.port <= 65535:
        raise ValueError(f"--port {args.port}: from 0 to 65535")
    if args.no_https and not broker and args.ble is None:
        raise ValueError("--no-https leaves nothing to receive with: --mqtt URL or --ble")
    if args.presign and (args.no_https or not (args.store or "").startswith(("s3:", "gs:", "az:"))):
        raise ValueError("--presign is for HTTPS in front of an object store that signs URLs: --store s3://..., gs, az")
    if not args.group or set(args.group) & set("/+#"):  # MQTT 5 section 4.8.2
        raise ValueError(f"--group {args.group!r}: a word without / + #")


def _store(args) -> Store | ObjectStore:
    if args.store and args.out:
        raise ValueError("--out and --store: one place for the data, please")
    return ObjectStore(args.store) if args.store else Store(args.out or Path("out/collected"))


async def _serve(
    args, console: Console, collector: Collector, hosts: list[str], identity: certs.Certs | None
) -> None:
    ended, notifier = asyncio.Event(), Notifier()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    client_ca = args.client_ca.read_bytes() if args.client_ca else None
    tls = identity.server_context(client_ca) if identity else None
    port = await collector.start(args.host or "0.0.0.0", None if args.no_https else args.port, tls)
    announcement = Announcement(port, hosts[-1:]) if port and not args.no_mdns and _is_public(hosts[-1]) else None
    if announcement:
        await announcement.start()
    try:
        await _watch(console, collector, ended, notifier, _ready(args, identity, hosts[-1], port))
    finally:
        notifier.stopping()
        if announcement:
            await announcement.stop()
        await collector.stop()
    if args.json:
        print(json.dumps(collector.status()), flush=True)


def _ready(args, identity: certs.Certs | None, host: str, port: int | None) -> dict:
    """What the first line with --json says."""
    url = f"https://{_in_url(host)}:{port}" if port else None
    ca = str(identity.ca_path) if identity else None
    out = args.store or str(args.out or "out/collected")
    return {"url": url, "ca": ca, "out": out, "mqtt": args.mqtt, "ble": args.ble}


async def _watch(
    console: Console, collector: Collector, ended: asyncio.Event, notifier: Notifier, ready: dict
) -> None:
    """Until the end: a table on a terminal, the log elsewhere; systemd's watchdog."""
    if console.stderr:  # standard output is for JSON
        print(json.dumps(ready), flush=True)
    at = " and ".join(filter(None, (ready["url"], ready["mqtt"], None if ready["ble"] is None else "Bluetooth")))
    console.print(f"Collecting into {ready['out']} at [bold]{at}[/]", highlight=False, soft_wrap=True)
    if ready["ca"]:
        console.print(f"Boards trust it with   {ready['ca']}", highlight=False, soft_wrap=True)
    if not console.is_terminal:
        sys.stdout.flush()
    notifier.ready(f"collecting at {at}")
    with Live(_table(collector.status()), console=console, auto_refresh=False) as live:
        while not ended.is_set():
            notifier.alive()
            if console.is_terminal:
                live.update(_table(collector.status()), refresh=True)
            try:
                await asyncio.wait_for(ended.wait(), REFRESH_S)
            except TimeoutError:
                pass
        live.update(_table(collector.status()))


def _log(console: Console) -> None:
    """Above a terminal's table, or in plain lines for a journal, which adds the time itself."""
    terminal = RichHandler(console=console, show_path=False)
    handler = terminal if console.is_terminal else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s" if console.is_terminal else "%(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("motelog").setLevel(logging.INFO)


def _is_public(host: str) -> bool:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:  # a name, or IPv6
        return False
    return not (address.is_loopback or address.is_unspecified)


def _table(status: dict) -> Table:
    """One row per device, for 80 columns."""
    free = status["free_bytes"]
    words = [] if free is None else [f"{free / 1e9:.1f} GB free"]
    words += [f"{name}: {front['state']}" for name, front in status.get("fronts", {}).items()]
    table = Table("device", "seen", "state", "latest session", caption=", ".join(words), box=None, padding=(0, 2, 0, 0))
    for heading in ("files", "MB", "again", "refused"):
        table.add_column(heading, justify="right")
    for name, device in status["devices"].items():
        numbers = (f"{device['bytes'] / 1e6:.2f}", device["repeated"], device["refused"])
        seen, session = _clock(device["last_seen"]), device["latest_session"] or "-"
        table.add_row(name, seen, _state(device), session, str(device["segments"]), *map(str, numbers))
    return table


def _state(device: dict) -> Text:
    """What the device calls its state; anybody may have sent it."""
    return Text(str((device.get("reported") or {}).get("state", "-"))[:9])


def _clock(utc: str | None) -> str:
    """The local time of day of an ISO time."""
    return datetime.fromisoformat(utc).astimezone().strftime("%H:%M:%S") if utc else "-"


def _told(args, error: Exception) -> str:
    """The mistake in a sentence; what a socket says names neither host nor port."""
    text = mistakes.told(error)
    if isinstance(error, socket.gaierror):
        return f"--host {args.host}: {text}"
    if isinstance(error, OSError) and error.filename is None:
        return f"port {args.port} of {args.host or 'this machine'}: {text}"
    return text


def _read_token(path: Path | None) -> str | None:
    if path is None:
        return None
    token = path.read_text("utf-8").strip()
    if not token or not all("!" <= letter <= "~" for letter in token):
        raise ValueError(f"{path}: a token is one line of visible ASCII characters without spaces")
    return token


def _own_addresses() -> list[str]:
    """The IPv4 address that faces the network, if there is one (connecting a UDP socket sends nothing)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737: routed like any address, used by nobody
            return [probe.getsockname()[0]]
        except OSError:
            return []


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
