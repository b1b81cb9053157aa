"""Our SQL, and only here: facts, rules, work and runs, on SQLite and PostgreSQL alike.

May import mappings and rebates.
Does not know Salesforce's API; ids from it are only keys.
"""
