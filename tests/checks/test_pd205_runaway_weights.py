"""PD205 runaway_weights: detects, does not flag, not applicable; and on a real run of the printed LR annealing."""

import math

import pytest
import torch

import pinndiag
from pinndiag._records import Band
from tests.checks.records import finding, passes, record, replace, run, skipped, unfinished


def history(growth=1e6, pull=30.0, scheme="lra"):
    def band(first, last):
        return Band(low=[first, last], high=[first, last])

    return run(
        steps=[0, 1000],
        losses={"pde": band(1.0, 1.0), "bc": band(1.0, 1e-9)},
        weights={"pde": band(1.0, 1.0), "bc": band(1.0, growth)},
        gradients={"pde": band(1.0, 1.0), "bc": band(1.0, 1e-6)},
        applied={"pde": band(1.0, 1.0), "bc": band(1.0, pull)},
        weight_growth={"bc": growth},
        scheme=scheme,
    )


def test_detects_a_weight_that_feeds_on_itself():
    outcome = finding("PD205", replace(unfinished(), history=history()))
    assert (outcome.pathology, outcome.severity, outcome.terms) == ("runaway_weights", "problem", ["bc"])
    assert "DynamicNorm(reference='pde')" in outcome.prescriptions[0].code
    assert "LRAnnealing(w_max=" in outcome.prescriptions[1].code


def test_the_scheme_that_ran_away_is_not_prescribed_first():
    outcome = finding("PD205", replace(unfinished(), history=history(scheme="dynamic_norm")))
    assert "LRAnnealing(w_max=" in outcome.prescriptions[0].code


@pytest.mark.parametrize(("growth", "pull"), [(500.0, 30.0), (1e6, 1.0), (1e6, math.nan)])
def test_does_not_flag(growth, pull):
    assert passes("PD205", replace(unfinished(), history=history(growth, pull)))


def test_a_finished_network_gets_a_note():
    assert finding("PD205", replace(record(), history=history())).severity == "note"


def test_not_applicable_without_a_run():
    assert "watched training" in skipped("PD205", record())


@pytest.mark.parametrize(("feedback", "flagged"), [(False, True), (True, False)])
def test_on_a_training_with_annealing(feedback, flagged):
    """-u'' = 64 sin(8 x) with zero ends: the printed form pins the network at zero, the feedback form does not."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = torch.nn.Sequential(torch.nn.Linear(1, 20), torch.nn.Tanh(), torch.nn.Linear(20, 1))
    x, ends = torch.linspace(0, math.pi, 40)[:, None].requires_grad_(), torch.tensor([[0.0], [math.pi]])
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    scheme = pinndiag.schemes.LRAnnealing(feedback=feedback, keep=0.5, every=2)
    watch = pinndiag.watch(net, optimizer, every=20, histograms=0, curvature=0, scheme=scheme)
    for _ in range(800):
        optimizer.zero_grad()
        (first,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        watch({"pde": second + 64 * torch.sin(8 * x), "bc": net(ends)}).backward()
        optimizer.step()
    found = watch.diagnose(select=["PD205"]).findings
    watch.close()
    assert bool(found) == flagged
