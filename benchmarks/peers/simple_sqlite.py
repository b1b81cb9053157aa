"""The script that most people would write: simple-salesforce `bulk2` records into sqlite3, money as exact integers.

python -m benchmarks.peers.simple_sqlite URL FILE
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from decimal import Decimal

from simple_salesforce import Salesforce

from benchmarks.peers.queries import SOQL
from benchmarks.peers.token import session_of


def cents(text: str) -> int | None:
    return int(Decimal(text) * 100) if text else None


def main(url: str, path: str) -> None:
    client = Salesforce(instance_url=url, session_id=session_of(url), version="68.0")
    client.bulk2_url = f"{url}/services/data/v68.0/jobs/"  # it takes https for granted
    store = sqlite3.connect(path)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, account TEXT, status TEXT, day TEXT)")
    store.execute(
        "CREATE TABLE lines (id TEXT PRIMARY KEY, order_id TEXT, product TEXT, quantity INT, amount INT)"
    )
    rows = 0
    for page in client.bulk2.Order.query_all(SOQL["order"]):
        batch = [
            (r["Id"], r["AccountId"], r["StatusCode"], r["EffectiveDate"])
            for r in csv.DictReader(io.StringIO(page))
        ]
        store.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", batch)
        store.commit()
        rows += len(batch)
    for page in client.bulk2.OrderItem.query_all(SOQL["order_line"]):
        lines = [
            (r["Id"], r["OrderId"], r["Product2Id"], cents(r["Quantity"]), cents(r["TotalPrice"]))
            for r in csv.DictReader(io.StringIO(page))
        ]
        store.executemany("INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?, ?)", lines)
        store.commit()
        rows += len(lines)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main(*sys.argv[1:])
