"""Our SQL, and only here: facts, rules, work and runs, on SQLite and PostgreSQL alike.

May import mappings and rebates.
Does not know Salesforce's API; ids from it are only keys.

    store = Store.open("sqlite:///rebates.db")                  # empty: tables are made; older or newer: refused
    with store.transaction() as tx: ...                         # saved together or not at all
    with store.read() as tx: ...                                # one consistent look

One sync, in the order of its calls (tx first; instants are aware datetimes; amounts Decimal or millionths):

    runs.start(tx, job, slot, owner=, epoch=, now=) -> run_pk | None          staging.discard(tx)
    staging.stage(tx, run_pk, entity, table)                                  staging.apply(tx, run_pk, entity, now=) -> Applied
    rejected.set_aside(tx, rows, now=, run_pk=)                               watermarks.advance(tx, stream, floor=, ceiling=, now=)
    rules.install_programs(tx, programs, now) -> Installed
    contributions.recompute_dirty(tx) -> changed cells                        contributions.rebuild(tx, program_pks=None, engine=)
    totals.waiting_cells(tx) -> [Cell]                                        totals.load_totals(tx, cells, programs) -> [CellTotals]
    standings.save_standings(tx, rows, now=, run_pk=) -> [Saved]              events.record(tx, rows) -> those that are new
    outbox.enqueue(tx, wanted, now=)  …claim, outcomes.acknowledge_all, superseded, retry_at, quarantine, sweep, listed, retry
    leases.acquire(tx, name, owner=, ttl=, now=) -> Lease | None, renew, release
    leases.check(tx, lease)                                                   runs.finish(tx, run_pk, outcome, now=, counts=)

Beside it: `meta` (org pin, epoch, sequence), `rates`, `tasks`, `bulk_jobs`, `audit`, `evidence` (why a number is what it is),
`invariants.check(tx, deep=)`, `backup.backup(store, path)` and `backup.restore(url, path, actor=, now=)`.

Its modules by family; a test holds this map to the folder:

    the store        store urls paths_in_urls schema errors bounds postgres dialects instants one_host backup copy overlay meta
                     retention bulk many_rows slices parquet tables migrations
    facts            staging merge merge_statements keys gone moved_lines rejected watermarks inventory inventory_asked buried people
                     rates parts snapshot dating purged_merges
    rules            rules judging membership row_rules row_by_row rollover in_force frames known_values rivalries baselines shares
                     computed_by
    work             contributions statement difference dirty totals chains sequence gaps standings events changes changed_accounts
                     evidence newest never_bought told_again engines
    settled money    postings payouts payouts_decided payouts_listed payouts_gone payouts_moved owed takeover
    for the org      outbox outbox_rows outbox_due outbox_lost outcomes payloads addressees acknowledged tasks rebasing
    running          runs leases shards bulk_jobs audit pausing
    checks           invariants fact_checks ledger_checks run_checks
"""

from __future__ import annotations
