"""Checks: pure functions that name a pathology in a diagnosis record, with evidence and remedies. No torch in here.

from pinndiag.checks import CHECKS, explain
for check in CHECKS:
    outcome = check.judge(record)  # a Finding, a Passed or a NotApplicable
print(explain("PD201"))
"""

from pinndiag.checks._check import Check, Outcome, Passed
from pinndiag.checks._explain import explain, guide
from pinndiag.checks._gate import Gate, gate
from pinndiag.checks._needs import NEEDS
from pinndiag.checks._registry import CHECKS, by_code, matching
from pinndiag.checks._thresholds import DEFAULT, Threshold, Thresholds

__all__ = [
    "CHECKS",
    "DEFAULT",
    "NEEDS",
    "Check",
    "Gate",
    "Outcome",
    "Passed",
    "Threshold",
    "Thresholds",
    "by_code",
    "explain",
    "gate",
    "guide",
    "matching",
]
