"""The arithmetic of rebates.

Standard library only.
Knows no clock, no network and no database: all it needs is an argument.
"""
