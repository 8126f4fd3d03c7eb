"""Two processes with DistributedDataParallel, and a process that is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PinndiagError
from pinndiag._store import read_run
from pinndiag._terms._terms import mean_square

ROOT = Path(__file__).parents[2]
STEPS = 4

PARALLEL = """
import sys
import torch
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel
import pinndiag
from tests.watch.test_watch_processes import network, points, terms, STEPS

rank, folder, watched = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "watched"
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{sys.argv[3]}", rank=rank, world_size=2)
net = DistributedDataParallel(network())
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
watch = None
if watched:
    watch = pinndiag.watch(net, optimizer, to=f"{folder}/run", every=1, histograms=2, curvature=2)
for _ in range(STEPS):
    optimizer.zero_grad()
    losses = terms(net, points()[rank::2])
    loss = watch(losses) if watch else sum(term.square().mean() for term in losses.values())
    loss.backward()
    optimizer.step()
if watch:
    watch.close()
torch.save([p.detach() for p in net.parameters()], f"{folder}/{sys.argv[3]}-{rank}.pt")
dist.barrier()
dist.destroy_process_group()
"""

ENDLESS = """
import sys, torch, pinndiag
torch.set_num_threads(1)
torch.manual_seed(0)
net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
watch = pinndiag.watch(net, optimizer, to=sys.argv[1], every=1, histograms=50, curvature=0)
x = torch.rand(20, 2)
step = 0
print("ready", flush=True)
while True:
    optimizer.zero_grad()
    watch({"a": net(x) - 1, "b": net(x[:3])}).backward()
    # told before the next step's gradients are formed
    optimizer.step()
    step += 1
    print(step, flush=True)
"""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def points() -> Tensor:
    return torch.linspace(0, 1, 12, dtype=torch.float64)[:, None]


def terms(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    return {"pde": slope - torch.cos(x), "bc": net(x[:2] * 0) - 1}


def test_two_processes_stay_identical_and_the_figures_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    for kind in ("plain", "watched"):
        command = [sys.executable, "-W", "ignore", "-c", PARALLEL]
        both = [
            subprocess.Popen([*command, str(rank), str(tmp_path), kind], cwd=ROOT, stderr=subprocess.PIPE, text=True)
            for rank in (0, 1)
        ]
        for process in both:
            _, errors = process.communicate(timeout=180)
            assert process.returncode == 0, errors
    found = {
        f"{kind}-{rank}": torch.load(tmp_path / f"{kind}-{rank}.pt") for kind in ("plain", "watched") for rank in (0, 1)
    }
    for a, b, plain in zip(found["watched-0"], found["watched-1"], found["plain-0"], strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, plain, rtol=1e-11, atol=1e-13)
    run = read_run(tmp_path / "run")
    assert run.header.environment.processes == 2
    assert run.steps.steps.tolist() == list(range(STEPS))
    net, line = network(), run.steps.at(0)
    for name, term in terms(net, points()).items():
        wanted = torch.autograd.grad(mean_square(term), list(net.parameters()), materialize_grads=True)
        length = torch.cat([g.reshape(-1) for g in wanted]).norm()
        assert line.terms[name].grad_l2 == pytest.approx(float(length), rel=1e-11)
        assert line.terms[name].loss == pytest.approx(float(mean_square(term).detach()), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))  # benchmarks/killed.py does it fifty times
def test_a_killed_process_loses_at_most_one_record(seed: int, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", ENDLESS, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(random.Random(seed).randrange(60, 400)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split()
    run = read_run(tmp_path / "run")
    recorded = run.steps.steps.tolist()
    assert recorded == list(range(len(recorded)))
    done = int(told[-1]) if told and told[-1].isdigit() else 0
    assert len(recorded) >= done - 1
    assert run.gradients(run.histograms[-1]).terms


def test_a_graph_that_was_declared_static_is_refused() -> None:
    net = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)  # needs no process group
    nn.Module.__init__(net)
    net.module, net.static_graph = nn.Linear(1, 1), True
    with pytest.raises(PinndiagError, match="static_graph=True"):
        pinndiag.watch(net, torch.optim.SGD(net.parameters(), lr=0.1))


def test_sharded_parameters_are_refused() -> None:
    class FullyShardedDataParallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(1, 1)

    net = FullyShardedDataParallel()
    with pytest.raises(PinndiagError, match="sharded over processes"):
        pinndiag.watch(net, torch.optim.SGD(net.parameters(), lr=0.1))
