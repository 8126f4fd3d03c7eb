"""Calibration: how often the checks are right, on networks that were made sick on purpose and on healthy ones.

    python -m benchmarks.calibration --quick            # minutes; --subset, or everything

`cases/` says beforehand what each network suffers from and whether a remedy can help; `work` trains, judges and treats
one of them; `scores` counts; `report` writes RESULTS.md and results.json, in which nothing is typed in by hand.
"""
