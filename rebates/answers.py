"""The number of the rules by which answers are found: how lines count, what they pay, and what a standing says of it.

Whoever changes an answer, for any program that was valid before, raises it. The store keeps the number that it was computed
by: the first compute of a newer one computes everything again before anything is settled, an older one is refused, and only
equal ones work together. `tests/jobs/test_answers.py` computes many programs and asks for a new number where something moved.
"""

RULES = 3
