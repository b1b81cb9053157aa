"""A Spark of our own: a standalone cluster, a master and two workers as processes on loopback, ended by their ids."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

STARTS_WITHIN = 120.0
LOCAL = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
ON_LOOPBACK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.cores.max": "2",
    "spark.executor.cores": "1",  # so that both workers get a share
    "spark.executor.memory": "700m",
    "spark.sql.shuffle.partitions": "4",
}
MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"


@pytest.fixture(scope="session")
def spark_home() -> Path:
    """Where pyspark keeps Spark; skipped by name where something is missing."""
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        pytest.skip("no pyspark here: make spark-check installs it")
    if shutil.which("java") is None:
        pytest.skip("no Java here: Spark needs Java 17 or newer")
    return Path(found.origin).parent


@contextmanager
def java(home: Path, logs: Path, main: str, *words: str) -> Iterator[Path]:
    """One process of the cluster, until the block ends; its log."""
    log = logs / f"{main.rsplit('.', 1)[-1]}-{len(list(logs.iterdir()))}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            ["bash", str(home / "bin" / "spark-class"), main, *words],  # becomes Java: one process, one id
            stdout=said,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **LOCAL, "SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "512m"},
            cwd=logs,
        )
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def said(log: Path, pattern: str, count: int = 1) -> str:
    """Wait until the log says it; the first group."""
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends:
        found = re.findall(pattern, log.read_text("utf-8", "replace"))
        if len(found) >= count:
            return str(found[0])
        time.sleep(0.2)
    raise AssertionError(f"{log.name} never said {pattern!r}:\n{log.read_text('utf-8', 'replace')[-2000:]}")


@pytest.fixture(scope="session")
def cluster(spark_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The master's URL, once two workers have registered."""
    logs = tmp_path_factory.mktemp("cluster")
    with java(spark_home, logs, MASTER, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0") as master:
        url = said(master, r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
        worker = ("--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "1g", url)
        with java(spark_home, logs, WORKER, *worker), java(spark_home, logs, WORKER, *worker):
            said(master, r"(Registering worker)", 2)
            yield url


@pytest.fixture
def connect(spark_home: Path, cluster: str, tmp_path: Path) -> Iterator[str]:
    """A server that speaks Spark Connect in front of the cluster."""
    logs = tmp_path / "connect"
    logs.mkdir()
    settings = {
        **ON_LOOPBACK,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
    }
    options = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    words = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", cluster]
    with java(
        spark_home, logs, "org.apache.spark.deploy.SparkSubmit", *words, *options, "spark-internal"
    ) as server:
        yield "sc://" + said(server, r"Spark Connect server started at: .*?(127\.0\.0\.1:\d+)")


@pytest.fixture
def options() -> tuple[str, ...]:
    """Settings of a session on the cluster."""
    return tuple(f"{name}={value}" for name, value in ON_LOOPBACK.items())
