"""Fuzzing: seeded damage to everything the program reads, and an oracle for what may come of it.

A case is a target and a number, and the same ones make the same bytes: `python -m tests.fuzz.run --only TARGET:NUMBER`
shows one again. What may come of a case is a good result or one `InputError`; anything else is a finding.
"""
