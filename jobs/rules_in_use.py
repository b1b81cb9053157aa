"""A fingerprint of everything that decides what a standing is worth and what is written: only equal ones work together."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from jobs.app import App
from jobs.planning import fingerprint
from rebates.answers import RULES


def rules_in_use(app: App) -> str:
    """Of this version of the program and the rules that it computes by, the program files, the mapping, and the settings of push and alerts."""
    files = sorted((path.name, text) for path, text in app.programs.texts.items())
    broken = sorted(path.name for path, _ in app.programs.broken)  # their last valid texts are in the store
    settings = (app.settings.push.model_dump_json(), app.settings.alerts.model_dump_json(), app.alias)
    said = repr((version("rebate-sync"), RULES, files, broken, fingerprint(app.mapping), settings))
    return hashlib.sha256(said.encode()).hexdigest()[:16]
