"""`deploy.py collect`: receive what boards deliver, until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import json
import signal
import socket
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from host import certs, mistakes
from host.collector import Collector

REFRESH_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Receive data over HTTPS into a folder. A certificate is made on first use; boards need the ca.der that is "
        "printed. "
        "Ends with Ctrl-C or SIGTERM."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/collected"), metavar="DIR", help="(default out/collected)"
    )
    parser.add_argument("--host", metavar="H", help="address to listen on (default: all of them, IPv4)")
    parser.add_argument("--port", type=int, default=8443, metavar="N", help="0: any free one (default 8443)")
    parser.add_argument("--token-file", type=Path, metavar="F", help="a file with the token that boards must send")
    parser.add_argument("--cert-dir", type=Path, metavar="DIR", help="(default ~/.config/motelog/collector)")
    parser.add_argument(
        "--json", action="store_true", help="JSON on stdout: one line when ready, one with the status at the end"
    )


def run(args: argparse.Namespace) -> int:
    try:
        if not 0 <= args.port <= 65535:
            raise ValueError(f"--port {args.port}: from 0 to 65535")
        token = _read_token(args.token_file)
        hosts = [args.host] if args.host else ["localhost", "127.0.0.1", *_own_addresses()]
        identity = certs.make(args.cert_dir or Path.home() / ".config/motelog/collector", list(dict.fromkeys(hosts)))
        asyncio.run(_serve(args, token, hosts, identity))
    except (ValueError, OSError) as error:  # CertError is a ValueError
        return mistakes.report("collect", _told(args, error), args.json)
    return 0


async def _serve(args, token: str | None, hosts: list[str], identity: certs.Certs) -> None:
    collector = Collector(args.out, token=token)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    port = await collector.start(args.host or "0.0.0.0", args.port, identity.server_context())
    url = f"https://{_in_url(hosts[-1])}:{port}"
    console = Console(stderr=args.json)
    if args.json:
        print(json.dumps({"url": url, "ca": str(identity.ca_path), "out": str(args.out)}), flush=True)
    console.print(f"Collecting into {args.out} at [bold]{url}[/]", highlight=False, soft_wrap=True)
    console.print(f"Boards trust it with   {identity.ca_path}", highlight=False, soft_wrap=True)
    try:
        with Live(_table(collector.status()), console=console, auto_refresh=False) as live:
            while not ended.is_set():
                live.update(_table(collector.status()), refresh=True)
                try:
                    await asyncio.wait_for(ended.wait(), REFRESH_S)
                except TimeoutError:
                    pass
    finally:
        await collector.stop()
    if args.json:
        print(json.dumps(collector.status()), flush=True)


def _table(status: dict) -> Table:
    """One row per device, for 80 columns."""
    caption = f"{status['free_bytes'] / 1e9:.1f} GB free"
    table = Table("device", "seen", "latest session", caption=caption, box=None, padding=(0, 2, 0, 0))
    for heading in ("files", "MB", "stored", "again", "refused"):
        table.add_column(heading, justify="right")
    for name, device in status["devices"].items():
        numbers = (f"{device['bytes'] / 1e6:.2f}", device["stored"], device["repeated"], device["refused"])
        seen, session = _clock(device["last_seen"]), device["latest_session"] or "-"
        table.add_row(name, seen, session, str(device["segments"]), *map(str, numbers))
    return table


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
