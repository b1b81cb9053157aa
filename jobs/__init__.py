"""The verbs: pull, compute, plan, push, alert, and when they run.

May import everything but cli and emulator.
Does not know how anything is printed.
"""
