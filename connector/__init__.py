"""Salesforce, and only here: sessions, queries, bulk jobs, keyed writes and metadata deploys.

May import mappings and rebates.
Knows no SQL, no program and no schedule.
"""
