"""simple-salesforce alone: `bulk2` download of orders and lines to files, nothing else.

python -m benchmarks.peers.simple_download URL FOLDER
"""

from __future__ import annotations

import json
import sys

from simple_salesforce import Salesforce

from benchmarks.peers.queries import SOQL
from benchmarks.peers.token import session_of


def main(url: str, folder: str) -> None:
    client = Salesforce(instance_url=url, session_id=session_of(url), version="68.0")
    client.bulk2_url = f"{url}/services/data/v68.0/jobs/"  # it takes https for granted
    rows = 0
    for name, query in SOQL.items():
        bulk = getattr(client.bulk2, {"order": "Order", "order_line": "OrderItem"}[name])
        rows += sum(page["number_of_records"] for page in bulk.download(query, path=folder))
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main(*sys.argv[1:])
