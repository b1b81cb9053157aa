"""A process of its own: one Spark session, one statement, its answer as Parquet files. Imports nothing of ours.

Reads from its input: {"url", "options", "tables": {name: [uri]}, "sql", "target"}. Ends with 1 and the reason on stderr.
"""

from __future__ import annotations

import json
import socket
import sys
from urllib.parse import urlsplit

CONNECT_PORT, ANSWERS_WITHIN = 15002, 10  # Spark's usual port; seconds

ALWAYS = {
    "spark.sql.ansi.enabled": "true",  # a sum that does not fit is an error
    "spark.sql.session.timeZone": "UTC",
}
OWN_SESSION = {"spark.app.name": "rebates", "spark.ui.enabled": "false"}


def main() -> None:
    """See the module's text."""
    from pyspark.sql import SparkSession

    asked = json.load(sys.stdin)
    url: str = asked["url"]
    if url.startswith("sc://"):
        _require_answer(url)
        builder, options = SparkSession.builder.remote(url), {**asked["options"], **ALWAYS}
    else:
        builder, options = SparkSession.builder.master(url), {**OWN_SESSION, **asked["options"], **ALWAYS}
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        for name, files in asked["tables"].items():
            session.read.parquet(*files).createOrReplaceTempView(name)
        session.sql(asked["sql"]).write.parquet(asked["target"])
    finally:
        session.stop()


def _require_answer(url: str) -> None:
    """Somebody listens there. Spark's own client would try for ten minutes before it says that nobody does."""
    address = urlsplit(url.partition(";")[0])
    try:
        socket.create_connection(
            (address.hostname or "", address.port or CONNECT_PORT), ANSWERS_WITHIN
        ).close()
    except OSError as error:
        raise ConnectionError(f"nobody answers: {error}") from error


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - told to the process that asked, and the exit code says the rest
        # The class and the first line: the rest is Java's trace.
        sys.stderr.write(f"\n{type(error).__name__}: {str(error).strip().splitlines()[0]}\n")
        sys.exit(1)
