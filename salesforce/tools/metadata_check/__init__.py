"""Checks the Salesforce package without an org: against the metadata schema, and every name against what it names.

The Salesforce CLI packs nearly anything (`sf project convert source` accepts misspelled elements and fields that
do not exist); an org refuses at deploy time. This package refuses before. Standard library only.
"""

from .check import check, load
from .nodes import Problem

__all__ = ["Problem", "check", "load"]
