"""Rows into canonical batches and standings into Salesforce records, by a file that an admin writes.

May import rebates. Pure: no network, no database, no clock.
Does not know where rows come from or where records go.
"""
