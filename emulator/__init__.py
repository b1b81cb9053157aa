"""A small Salesforce for one machine: HTTP is the only way in.

Imports nothing of ours.
Does not know who calls it.
"""
