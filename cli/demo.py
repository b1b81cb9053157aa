"""`rebates demo`: the whole story against the embedded org emulator, in a minute."""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JsonFlag, emit, stdout, styled

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.app import App
    from jobs.sync import SyncReport

KEPT = Path(".demo")


def register(app: typer.Typer) -> None:
    """Hang the command on the tree."""
    app.command()(demo)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the emulator up, and say how to look around.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """A retailer is $4,812 short of the 15% tier with a week left; the rep is told, the partner orders, the tier is reached."""
    from jobs.demo import stage
    from jobs.example_files import example_programs

    folder = KEPT.resolve() if keep else Path(tempfile.mkdtemp(prefix="rebates-demo-"))
    shutil.rmtree(folder, ignore_errors=True)
    console = stdout()
    try:
        with stage(folder, example_programs(), keep=keep) as on:
            told = _Story(console, quiet=as_json).tell(on)
            if keep and not as_json:
                _how_to_look_around(console, on.url, on.pid, folder)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    emit("demo", told, as_json=as_json, human=lambda _: None)


class _Story:
    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet

    def _say(self, *parts: str | tuple[str, str]) -> None:
        if not self._quiet:
            self._console.print(styled(*parts))

    def _chapter(self, number: int, title: str) -> None:
        if not self._quiet:
            self._console.rule(styled((f"{number}. {title}", "bold")), align="left")

    def tell(self, on: Any) -> dict[str, Any]:
        """Every step uses what ships; nothing here is computed by the demo."""
        import os
        import random
        from datetime import timedelta

        from jobs.app import App
        from jobs.clock import SystemClock
        from jobs.configuration import load_configuration
        from jobs.demo import DISTRIBUTOR, RETAILER, TODAY, account_screen
        from jobs.deploy import deploy
        from jobs.explanation import explain
        from jobs.logs import configure_logging
        from jobs.settings import LoggingSettings
        from jobs.sync import sync

        configure_logging(LoggingSettings())
        clock = SystemClock(TODAY)
        flags = {"sync.initial_read": "bulk"}
        configuration = load_configuration(
            explicit=on.config, start=on.config.parent, environment=os.environ, flags=flags
        )

        def fresh(now: SystemClock = clock) -> App:
            return App.build(configuration, clock=now, rng=random.Random(1))

        self._chapter(1, "The Salesforce package goes into the org")
        with fresh() as app:
            deployed = deploy(app)
        self._say(f"{deployed.components} components deployed, permission set {deployed.permission_set}\n")

        self._chapter(2, "First sync: everything is read, computed and written back")
        with fresh() as app:
            first = sync(app)
            before = account_screen(app, RETAILER)
        bells = on.ask("notifications")["notifications"]
        self._sync(first)
        self._say(
            "\nWhat the sales rep sees on the account of ",
            (RETAILER, "bold"),
            ", a week before the month ends:",
        )
        self._screen(before, bells)

        self._chapter(3, "The partner orders again")
        order = on.tell("story/order-again")
        self._say(
            f"a new order of {order['date']} is activated in the org ({order['order_id']}); a quarter of an hour later:\n"
        )
        on.tell("clock", {"seconds": 900})
        later = SystemClock(TODAY + timedelta(minutes=15))

        self._chapter(4, "Second sync: only what changed")
        with fresh(later) as app:
            second = sync(app)
            after = account_screen(app, RETAILER)
            self._sync(second)
            self._say("\n", (RETAILER, "bold"), " now:")
            self._screen(after, on.ask("notifications")["notifications"][len(bells) :])

            self._chapter(5, "Every number explains itself")
            for name in (RETAILER, DISTRIBUTOR):
                for one in explain(app, name):
                    if not self._quiet:
                        from cli.standings import show_explanation

                        show_explanation(self._console, one)
        with fresh(later) as app:
            idle = sync(app)
        self._say(
            f"A third sync with nothing to do: {idle.api_calls} API call{'s' if idle.api_calls != 1 else ''}, "
            f"{idle.pushed.done} writes, {idle.seconds.total_seconds():.2f} s."
        )
        return {
            "deployed": deployed.components,
            "first": first.as_json(),
            "before": before,
            "second": second.as_json(),
            "after": after,
            "idle": idle.as_json(),
        }

    def _sync(self, report: SyncReport) -> None:
        if not self._quiet:
            from cli.sync import show

            show(self._console, report)

    def _screen(self, account: dict[str, Any], bells: list[dict[str, Any]]) -> None:
        from mappings.template import money

        def amount(name: str) -> str:
            return money(Decimal(account[name]), "USD") if account[name] is not None else "—"

        lines = [
            (
                "Rebate Program",
                f"{account['Rebate_Program__c']}, {account['Rebate_Period__c']} until {account['Rebate_Period_End__c']}",
            ),
            ("Rebate Status", str(account["Rebate_Status__c"]).replace("_", " ")),
            ("Rebate Tier", f"{account['Rebate_Tier__c']} ({account['Rebate_Benefit__c']})"),
            ("Rebate", amount("Rebate_Amount__c")),
            ("Next Tier", account["Rebate_Next_Tier__c"] or "— (top tier)"),
            ("To Next Tier", amount("Rebate_To_Next_Tier__c")),
            ("Rebate at Next Tier", amount("Rebate_At_Next_Tier__c")),
            ("Worth More", amount("Rebate_Uplift__c")),
        ]
        for label, value in lines:
            self._say(f"   {label:<20} ", (value, "bold"))
        for task in account["tasks"]:
            state = "closed" if task["IsClosed"] == "true" else f"due {task['ActivityDate']}"
            self._say("   ", ("Task", "cyan"), f" ({state}, {task['Owner.Name']}): {task['Subject']}")
        for bell in bells:
            self._say("   ", ("Bell", "yellow"), f": {bell['title']} · {bell['body']}")
        self._say()


def _how_to_look_around(console: Console, url: str, pid: int, folder: Path) -> None:
    console.print(
        f"\nThe org is still up at {url} (process {pid}). Look around:\n"
        f"   cd {folder}\n"
        f"   export REBATES_CLOCK=2026-11-24T15:10:00Z\n"
        f"   rebates status\n   rebates explain Midwest\n   rebates sync --dry-run\n   rebates verify --deep\n"
        f"End it with: kill {pid}",
    )
