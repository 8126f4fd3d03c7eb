"""The problems on which the literature found gradient pathologies and their cures, with reference solutions.

    problem = problems.make("helmholtz", a2=4.0, arch="modified", seed=1)     # size="full" for the published one
    problems.train(problem)                                                   # or loss=watch, loss=scheme
    print(problem.error(), pinndiag.analyze(problem.wrap()))

Each is one file: equation, domain, conditions, points, network, optimizer and steps of its source, and a reduced size
that shows the effect within two minutes on two cores (one torch thread).
"""

from pinndiag.problems._box import Box
from pinndiag.problems._problem import About, Problem, Term
from pinndiag.problems._registry import catalogue, make, names, options
from pinndiag.problems._setup import Setup
from pinndiag.problems._train import train

__all__ = ["About", "Box", "Problem", "Setup", "Term", "catalogue", "make", "names", "options", "train"]
