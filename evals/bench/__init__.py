"""Benchmarks: what the parts of Limner cost, each beside something real in the same run.

`python -m limner.evals.bench` runs them. `harness` has what they share (timing in turns, processes
of their own, reports); every other module is one subject.
"""
