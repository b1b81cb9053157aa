"""One template for all simulated histories of this process, and no log lines from them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.template import Template, quiet


@pytest.fixture(scope="session")
def template() -> Iterator[Template]:
    before = structlog.get_config()
    quiet()
    made = Template()
    structlog.configure(**before)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = structlog.get_config()
    quiet()
    yield
    structlog.configure(**before)
