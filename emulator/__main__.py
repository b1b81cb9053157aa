"""`python -m emulator`: a local Salesforce until it is told to stop."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from emulator import multi_currency
from emulator.clock import MovableClock
from emulator.multi_currency import CORPORATE
from emulator.org import Org, Settings
from emulator.seed_common import ADMIN, INTEGRATION, company
from emulator.seed_generated import seed_generated
from emulator.seed_story import START, seed_story
from emulator.server import is_loopback, start
from emulator.tls import private_file, write_certificates
from emulator.write_config import write_config

LOCAL = "127.0.0.1"


def moment(text: str) -> datetime:
    """An ISO 8601 moment with a zone, as `--now` takes it."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no moment; write 2026-11-23T15:00:00Z") from error
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError(f"'{text}' has no time zone; write {text}Z")
    return parsed.astimezone(UTC)


def rates(text: str) -> dict[str, str]:
    """`EUR=0.92,JPY=155`: units of each currency for one US dollar, as `--multi-currency` takes them."""
    found: dict[str, str] = {}
    for pair in text.split(","):
        code, _, rate = pair.strip().partition("=")
        if not re.fullmatch(r"[A-Z]{3}", code) or not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", rate):
            raise argparse.ArgumentTypeError(f"'{pair}' is no rate; write EUR=0.92,JPY=155")
        if code == CORPORATE or code in found or not Decimal(rate):
            raise argparse.ArgumentTypeError(
                f"'{pair}': every currency once, above zero, without {CORPORATE}"
            )
        found[code] = rate
    return found


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rebates emulator", description="A small Salesforce for this machine."
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port to listen on (default: a free one)")
    add("--host", default=LOCAL, help="loopback address to listen on (default: 127.0.0.1)")
    add(
        "--allow-non-loopback", action="store_true", help="listen on an address others can reach; no password"
    )
    add("--seed", choices=("story", "generated", "empty"), default="story", help="what the org starts with")
    add("--accounts", type=int, default=200, help="with --seed generated (default: 200)")
    add("--orders", type=int, default=2000, help="with --seed generated (default: 2000)")
    add("--random-seed", type=int, default=1, help="with --seed generated: the same number, the same org")
    add("--file", type=Path, help="keep the org in this file; without it the org is gone at the end")
    add("--now", type=moment, help=f"the moment the org's clock starts at (story: {START}; else: now)")
    add("--tls", action="store_true", help="https with a certificate of its own authority")
    add("--tls-folder", type=Path, default=Path("emulator-tls"), help="where --tls writes its three files")
    add("--write-config", type=Path, metavar="FILE", help="write a rebates.toml and its key for this org")
    add("--programs", type=Path, default=Path("programs"), help="folder of programs named in --write-config")
    add("--ready-file", type=Path, help="write url, org id and user there as JSON once requests are answered")
    add("--api-max", type=int, default=Settings.api_max, help="API calls of a day (default: %(default)s)")
    add("--token-ttl", type=float, default=Settings.token_ttl, help="seconds an unused session lives")
    add(
        "--multi-currency", type=rates, metavar="RATES",
        help="switch on several currencies, with units for one USD: EUR=0.92,JPY=155",
    )  # fmt: skip
    add("--quiet", action="store_true", help="print nothing")
    return parser


def open_org(options: argparse.Namespace) -> Org:
    """The org in the file, or a new one, seeded. Raises ValueError when the file holds another seed."""
    now = options.now or (moment(START) if options.seed == "story" else None)
    settings = Settings(api_max=options.api_max, token_ttl=options.token_ttl)
    if options.file:
        options.file.parent.mkdir(parents=True, exist_ok=True)
    org = Org.create(options.file, clock=MovableClock(now), seed=options.random_seed, settings=settings)
    wanted: dict[str, object] = {"seed": options.seed}
    if options.seed == "generated":
        wanted |= {name: getattr(options, name) for name in ("accounts", "orders", "random_seed")}
    if options.multi_currency:
        wanted["currencies"] = options.multi_currency
    found = org.storage.kept("emulator", "seed")
    if found is None:
        if options.seed == "story":
            seed_story(org)
        elif options.seed == "generated":
            seed_generated(org, options.accounts, options.orders, options.random_seed)
        else:
            company(org, "Empty Org")
        if options.multi_currency:
            multi_currency.enable(org, options.multi_currency)
        org.storage.keep("emulator", "seed", wanted)
    elif found != wanted:
        org.close()
        raise ValueError(f"{options.file} holds an org of {found}, not of {wanted}; name another --file")
    return org


def main(arguments_given: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 2 for arguments that cannot be."""
    parser = arguments()
    options = parser.parse_args(arguments_given)
    if not is_loopback(options.host) and not options.allow_non_loopback:
        parser.error(
            f"the emulator has no passwords worth the name: it listens on loopback only, not on {options.host}"
        )
    if options.accounts < 1 or options.orders < 0:
        parser.error("--accounts takes 1 or more, --orders 0 or more")
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda _number, _frame: stop.set())
    try:
        org = open_org(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        tls = None
        if options.tls:
            _, certificate, key = write_certificates(options.tls_folder.resolve(), datetime.now(UTC))  # noqa: TID251
            tls = (str(certificate), str(key))
        try:
            served = start(org, options.host, options.port, tls, anywhere=options.allow_non_loopback)
        except OSError as error:
            sys.stderr.write(f"emulator: cannot listen on {options.host}:{options.port}: {error.strerror}\n")
            return 1
        try:
            _announce(org, served.url, options)
            stop.wait()
        finally:
            served.close()
    finally:
        org.close()
    return 0


def _announce(org: Org, url: str, options: argparse.Namespace) -> None:
    authority = options.tls_folder.resolve() / "emulator-ca.pem" if options.tls else None
    if options.write_config:
        write_config(org, url, options.write_config, INTEGRATION, options.programs, authority)
    ready = {"url": url, "org_id": org.id, "user": INTEGRATION, "admin": ADMIN}
    if authority:
        ready["ca_file"] = str(authority)
    if options.ready_file:
        private_file(options.ready_file, json.dumps(ready).encode())
    if not options.quiet:
        line = f"emulator: {url} org {org.id} user {INTEGRATION}"
        sys.stdout.write(line + (f" ca {ready['ca_file']}" if options.tls else "") + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
