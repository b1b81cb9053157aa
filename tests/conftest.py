"""What every test shares: no settings leak in from the environment, and what CI must not skip fails there."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How long an example takes says something of the machine, not of the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in list(os.environ):
        if name.startswith("REBATES_") and not name.startswith("REBATES_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-user-settings"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """CI has PostgreSQL, Node and Chromium: there a test that skips for want of them has failed."""
    report = yield
    parts = {"postgres", "node", "browser"} & {mark.name for mark in item.iter_markers()}
    if report.skipped and parts and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"CI must have {', '.join(sorted(parts))}: {report.longrepr}"
    return report
