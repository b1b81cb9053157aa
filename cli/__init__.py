"""The command line: starts things, prints, chooses exit codes.

May import everything but the emulator, which it starts as a program of its own.
Knows no rule of rebates and no SQL.
"""
