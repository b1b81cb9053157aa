"""The arithmetic of rebates.

Standard library only.
Knows no clock, no network and no database: all it needs is an argument.
"""

from rebates.conditions import Condition, Filter
from rebates.events import Event, events
from rebates.explain import Step
from rebates.periods import Period
from rebates.problems import InvalidProgram, Problem
from rebates.program import Alerts, Program
from rebates.qualifiers import Bucket, Qualifier
from rebates.reader import parse_program, read_program
from rebates.standing import Level, Standing, standing, standings
from rebates.tiers import Tier
from rebates.totals import Inputs, Tally, Totals

__all__ = [
    "Alerts", "Bucket", "Condition", "Event", "Filter", "Inputs", "InvalidProgram", "Level", "Period", "Problem", "Program",
    "Qualifier", "Standing", "Step", "Tally", "Tier", "Totals", "events", "parse_program", "read_program", "standing", "standings",
]  # fmt: skip
