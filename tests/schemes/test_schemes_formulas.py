"""Every formula, transcribed in NumPy without looking at the code, over 50 steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from pinndiag import schemes
from pinndiag.schemes import AbstractTermScheme

STEPS, TERMS, SIZE = 50, 3, 20
SHAPES = [(3, 4), (4,), (2, 2)]  # of the parameters behind the 20 columns

Series = Iterator[np.ndarray]
Formula = Callable[[np.ndarray, np.ndarray], Series]


def sequences() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    losses = np.exp(rng.normal(size=(STEPS, TERMS)) * 0.3) * np.exp(-0.05 * np.arange(STEPS))[:, None] * [30, 1, 0.2]
    gradients = rng.normal(size=(STEPS, TERMS, SIZE)) * np.array([50.0, 1.0, 0.3])[:, None] + 0.1
    return losses, gradients


LOSSES, GRADIENTS = sequences()


def due(step: int, every: int, first: int) -> bool:
    return step >= first and (step - first) % every == 0


def ratios(ratio: Callable[[np.ndarray, np.ndarray], np.ndarray], keep: float, every: int, first: int = 0) -> Formula:
    def run(losses: np.ndarray, gradients: np.ndarray) -> Series:
        w = np.ones(TERMS)
        for n, g in enumerate(gradients):
            if due(n, every, first):
                w = keep * w + (1 - keep) * ratio(g, w)
            yield w.copy()

    return run


def max_over_mean(g: np.ndarray, w: np.ndarray, *, mean: bool = False) -> np.ndarray:
    top = np.abs(g[0]).mean() if mean else np.abs(g[0]).max()
    return np.array([1.0, *(top / np.mean(np.abs(w[i] * g[i])) for i in (1, 2))])


def matrices(row: np.ndarray) -> list[np.ndarray]:
    return [row[:12], row[16:]]


def layer_mean(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    top = max(np.abs(part).max() for part in matrices(g[0]))
    mean = [np.mean([np.abs(w[i] * part).mean() for part in matrices(g[i])]) for i in (1, 2)]
    return np.array([1.0, *(top / m for m in mean)])


def layer_max_ratio(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    found = [1.0]
    for i in (1, 2):
        pairs = zip(matrices(g[0]), matrices(g[i]), strict=True)
        found.append(max(np.abs(a).max() / np.abs(w[i] * b).mean() for a, b in pairs))
    return np.array(found)


def norm_ratio(g: np.ndarray, p: float, power: float = 1.0) -> np.ndarray:
    n = np.array([np.linalg.norm(row, p) for row in g])
    return (n[0] / n) ** power


def corrected_norm(p: float, keep: float, every: int) -> Formula:
    def run(losses: np.ndarray, gradients: np.ndarray) -> Series:
        w, k, shown = np.zeros(TERMS), 0, np.ones(TERMS)
        for n, g in enumerate(gradients):
            if due(n, every, 0):
                k += 1
                w = keep * w + (1 - keep) * norm_ratio(g, p)
                shown = np.array([1.0, *(w / (1 - keep**k))[1:]])
            yield shown

    return run


def spread(g: np.ndarray, largest: bool = False) -> np.ndarray:
    s = g.std(axis=1, ddof=1)
    return (s.max() if largest else s[0]) / s


def global_norm(g: np.ndarray, total: Callable[[np.ndarray], float]) -> np.ndarray:
    n = np.linalg.norm(g, axis=1)
    return total(n) / n


class Adam:
    def __init__(self, lr: float) -> None:
        self.lr, self.m, self.v, self.t = lr, 0.0, 0.0, 0

    def __call__(self, x: np.ndarray, slope: np.ndarray) -> np.ndarray:
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * slope
        self.v = 0.999 * self.v + 0.001 * slope**2
        return x - self.lr * (self.m / (1 - 0.9**self.t)) / (np.sqrt(self.v / (1 - 0.999**self.t)) + 1e-8)


def chen(log: bool, alpha: float, lr: float) -> Formula:
    def run(losses: np.ndarray, gradients: np.ndarray) -> Series:
        w, adam = np.ones(TERMS), Adam(lr)
        for loss, g in zip(losses, gradients, strict=True):
            yield w.copy()
            n = np.linalg.norm(g, axis=1)
            rate = loss / losses[0]
            target = (w * n).mean() * (rate / rate.mean()) ** alpha
            slope = np.sign(w * n - target) * n
            w = np.exp(adam(np.log(w), slope * w)) if log else w - lr * slope
            w = TERMS * w / w.sum()

    return run


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def soft(variant: str, beta: float = 0.1, order: int = 1, oldest: bool = False, ratio: bool = False) -> Formula:
    stencils = {(1, False): [-1, 1], (2, False): [0.5, -2, 1.5], (2, True): [-1.5, 2, -0.5]}

    def run(losses: np.ndarray, gradients: np.ndarray) -> Series:
        for n in range(STEPS):
            if n < order:
                yield np.ones(TERMS)
                continue
            window = losses[n - order : n + 1]
            s = window[-1] / window[-2] if ratio else np.array(stencils[order, oldest]) @ window
            if variant == "normalised":
                s = s / np.abs(s).sum()
            e = np.exp(beta * s)
            if variant == "loss_weighted":
                e = e * window.mean(axis=0)
            yield TERMS * e / e.sum()

    return run


def relobralo(alpha: float, T: float, e_rho: float, begin: str, warmup: int = 1) -> Formula:
    def run(losses: np.ndarray, gradients: np.ndarray) -> Series:
        draws = torch.Generator().manual_seed(0)
        w, first = np.ones(TERMS), losses[0]
        for t, loss in enumerate(losses):
            rho = 1.0 if float(torch.rand((), generator=draws)) < e_rho else 0.0

            def bal(reference: np.ndarray, loss: np.ndarray = loss) -> np.ndarray:
                return TERMS * softmax(loss / (T * reference))

            previous = losses[max(t - 1, 0)]
            if t == 1 and begin != "averaged":
                w = bal(first)
            elif t > 0:
                w = alpha * (rho * w + (1 - rho) * bal(first)) + (1 - alpha) * bal(previous)
            if begin == "repository" and t == 1:
                first = loss
            if t < warmup:
                first = losses[: t + 1].mean(axis=0)
            yield w.copy()

    return run


def kendall(lr: float) -> Formula:
    def run(losses: np.ndarray, gradients: np.ndarray) -> Series:
        s, adam = np.zeros(TERMS), Adam(lr)
        for loss in losses:
            yield 0.5 * np.exp(-s)
            s = adam(s, 0.5 * (1 - np.exp(-s) * loss))

    return run


def lbpinn(lr: float) -> Formula:
    def run(losses: np.ndarray, gradients: np.ndarray) -> Series:
        sigma, adam = np.full(TERMS, 2.0), Adam(lr)
        for loss in losses:
            yield 1 / (2 * sigma**2)
            sigma = adam(sigma, -loss / sigma**3 + 1 / sigma)

    return run


CASES: dict[str, tuple[AbstractTermScheme, Formula]] = {
    "lra": (schemes.LRAnnealing(eps_rel=0), ratios(max_over_mean, 0.9, 10)),
    "lra guarded": (
        schemes.LRAnnealing(eps_rel=1e-2, every=1),
        ratios(lambda g, w: (lambda r: np.array([1.0, *(r / (1 + 1e-2 * r))[1:]]))(max_over_mean(g, w)), 0.9, 1),
    ),
    "lra arxiv": (schemes.LRAnnealing(preset="arxiv"), ratios(lambda g, w: max_over_mean(g, np.ones(3)), 0.1, 10)),
    "lra mean": (
        schemes.LRAnnealing(preset="mean", every=3),
        ratios(lambda g, w: max_over_mean(g, np.ones(3), mean=True), 0.9, 3),
    ),
    "lra code": (schemes.LRAnnealing(preset="wtp_code"), ratios(layer_mean, 0.9, 10, 1)),
    "lra cavity": (schemes.LRAnnealing(preset="wtp_cavity"), ratios(layer_max_ratio, 0.9, 10, 1)),
    "lra matrices": (
        schemes.LRAnnealing(params="matrices", eps_rel=0, every=2),
        ratios(lambda g, w: max_over_mean(np.concatenate([g[:, :12], g[:, 16:]], axis=1), w), 0.9, 2),
    ),
    "inverse dirichlet": (schemes.InverseDirichlet(eps_rel=0), ratios(lambda g, w: spread(g), 0.9, 10)),
    "inverse dirichlet, paper": (schemes.InverseDirichlet(preset="paper"), ratios(lambda g, w: spread(g), 0.5, 5)),
    "inverse dirichlet, largest": (
        schemes.InverseDirichlet(reference="max", eps_rel=0),
        ratios(lambda g, w: spread(g, True), 0.9, 10),
    ),
    "dynamic norm": (schemes.DynamicNorm(eps_rel=0), corrected_norm(2, 0.99, 10)),
    "dynamic norm, p = 1": (schemes.DynamicNorm(eps_rel=0, p=1, keep=0.9, every=3), corrected_norm(1, 0.9, 3)),
    "dynamic norm, paper": (
        schemes.DynamicNorm(preset="paper", p=math.inf),
        ratios(lambda g, w: norm_ratio(g, math.inf), 0.99, 10, 9),
    ),
    "dynamic norm, power": (
        schemes.DynamicNorm(power=0.75, bias_correction=False, eps_rel=0),
        ratios(lambda g, w: norm_ratio(g, 2, 0.75), 0.99, 10),
    ),
    "global gradient norm": (
        schemes.GlobalGradNorm(eps_rel=0, every=7),
        ratios(lambda g, w: global_norm(g, np.mean), 0.9, 7),
    ),
    "global gradient norm, pina": (
        schemes.GlobalGradNorm(preset="pina"),
        ratios(lambda g, w: global_norm(g, np.sum), 0.0, 1),
    ),
    "gradnorm": (schemes.GradNorm(eps_rel=0, w_min=None), chen(True, 1.5, 1e-2)),
    "gradnorm, paper": (schemes.GradNorm(preset="paper", lr=1e-4, alpha=0.12), chen(False, 0.12, 1e-4)),
    "softadapt": (schemes.SoftAdapt(), soft("loss_weighted")),
    "softadapt, original": (schemes.SoftAdapt(variant="original", order=2), soft("original", order=2)),
    "softadapt, normalised": (schemes.SoftAdapt(variant="normalised", beta=2.0), soft("normalised", 2.0)),
    "softadapt, oldest": (
        schemes.SoftAdapt(difference="forward_oldest", order=2),
        soft("loss_weighted", order=2, oldest=True),
    ),
    "softadapt, ratio": (schemes.SoftAdapt(preset="physicsnemo"), soft("original", 1.0, ratio=True)),
    "relobralo": (schemes.ReLoBRaLo(preset="article", E_rho=0.7), relobralo(0.999, 0.1, 0.7, "article")),
    "relobralo, alpha": (
        schemes.ReLoBRaLo(alpha=0.9, T=1, E_rho=0.5, eps_rel=0, warmup_average=3),
        relobralo(0.9, 1, 0.5, "article", 3),
    ),
    "relobralo, repository": (
        schemes.ReLoBRaLo(preset="repository", E_rho=0.5, keep=0.9),
        relobralo(0.9, 1, 0.5, "repository"),
    ),
    "relobralo, averaged": (
        schemes.ReLoBRaLo(preset="physicsnemo", eps=0.0),
        relobralo(0.95, 1, 0.99, "averaged"),
    ),
    "uncertainty": (schemes.Uncertainty(lr=1e-2), kendall(1e-2)),
    "uncertainty, lbpinn": (schemes.Uncertainty(preset="lbpinn"), lbpinn(1e-3)),
}


@pytest.mark.parametrize("case", CASES)
def test_term_weights(case: str) -> None:
    scheme, formula = CASES[case]
    if isinstance(scheme, schemes.LRAnnealing):
        scheme.shapes = SHAPES
    for step, wanted in enumerate(formula(LOSSES, GRADIENTS)):
        found = scheme.weigh(torch.from_numpy(LOSSES[step]), torch.from_numpy(GRADIENTS[step]), step)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10, err_msg=f"{case}, step {step}")


RESIDUALS = np.abs(np.random.default_rng(6).normal(size=(STEPS, 10))) * np.linspace(1, 0.1, STEPS)[:, None]
OTHERS = np.abs(np.random.default_rng(7).normal(size=(STEPS, 4)))


def rba(r: np.ndarray) -> Series:
    v = np.zeros(10)
    for row in r:
        v = 0.999 * v + 0.01 * row / row.max()
        yield v**2


def rba_first(r: np.ndarray) -> Series:
    v = np.zeros(10)
    for n, row in enumerate(r):
        v = 0.999 * v + (1.0 if n == 0 else 0.001) * row / row.max()
        yield v**2


def brdr(r: np.ndarray) -> Series:
    both = np.concatenate([r, OTHERS], axis=1)
    v, e = np.ones(14), np.zeros(14)
    for k, row in enumerate(both, 1):
        yield v[:10].copy()
        e = 0.999 * e + 0.001 * row**4
        q = row**2 / (np.sqrt(e / (1 - 0.999**k)) + 1e-14)
        v = v + (1 - 0.999) * (q / q.mean() - v)


def sa_square(r: np.ndarray) -> Series:
    v = torch.rand(10, generator=torch.Generator().manual_seed(0)).numpy().astype(float)
    adam = Adam(5e-3)
    for row in r:
        yield v**2 / np.mean(v**2)
        v = adam(v, -v * row**2)


def sa_sigmoid(r: np.ndarray) -> Series:
    v = np.zeros(10)
    for row in r:
        mask = 1 / (1 + np.exp(-v))
        yield mask
        v = v + 0.5 * mask * (1 - mask) * row**2


TIMES = np.array([0.3, 0.1, 0.9, 0.5, 0.2, 0.8, 0.4, 0.7, 0.6, 0.0])


def causal(r: np.ndarray) -> Series:
    slabs = np.array_split(np.argsort(TIMES), 4)  # 3, 3, 2, 2 points
    for row in r:
        means = [np.mean(row[slab] ** 2) for slab in slabs]
        factor = np.empty(10)
        for c, slab in enumerate(slabs):
            factor[slab] = np.exp(-0.7 * sum(means[:c])) * 10 / (4 * len(slab))
        yield factor


def gradient_norms(r: np.ndarray) -> Series:
    for row in r:
        yield row.max() / np.maximum(row, 1e-3 * row.max())


POINTS = {
    "rba": (schemes.RBA(normalise=None), rba),
    "rba, first": (schemes.RBA(preset="repository_init2"), rba_first),
    "brdr": (schemes.BRDR(), brdr),
    "sa": (schemes.SelfAdaptive(), sa_square),
    "sa, sigmoid": (schemes.SelfAdaptive(preset="sigmoid", ascent="sgd", lr=1.0, normalise=None), sa_sigmoid),
    "causal": (schemes.Causal(time={"pde": torch.from_numpy(TIMES)}, slabs=4, eps=0.7), causal),
    "point gradient norm": (schemes.PointGradNorm(normalise=None, w_max=None), gradient_norms),
}


@pytest.mark.parametrize("case", POINTS)
def test_point_weights(case: str) -> None:
    scheme, formula = POINTS[case]
    for step, wanted in enumerate(formula(RESIDUALS)):
        measured = {"pde": torch.from_numpy(RESIDUALS[step])}
        if case == "brdr":
            measured["bc"] = torch.from_numpy(OTHERS[step])
        found = scheme.weigh(measured, step)["pde"]
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10, err_msg=f"step {step}")


def test_causal_eps_climbs_its_ladder() -> None:
    scheme = schemes.Causal(time={"pde": torch.arange(4.0)}, slabs=2, eps=(0.1, 10.0))
    early = []
    for step, r in enumerate((1.0, 0.1, 0.1, 0.001)):
        early.append(float(scheme.weigh({"pde": torch.full((4,), r)}, step)["pde"][-1]))
    # exp(-0.1) fails the bar of 0.99; exp(-0.001) passes it, and the last two go by the larger eps
    np.testing.assert_allclose(early, np.exp([-0.1, -0.001, -0.1, -1e-5]), rtol=1e-6)


def test_causal_with_the_initial_condition_in_front() -> None:
    scheme = schemes.Causal(time={"pde": torch.arange(4.0)}, slabs=2, before="ic")
    one = torch.ones(4, requires_grad=True)
    scheme({"pde": one, "ic": torch.tensor(0.5, requires_grad=True)})
    np.testing.assert_allclose(scheme.weights["pde"], np.exp([-0.5, -0.5, -1.5, -1.5]), rtol=1e-6)


def test_causal_sorts_points_with_their_residuals_and_keeps_components_together() -> None:
    scheme = schemes.Causal(time={"pde": torch.tensor([[1.0], [0.0]])}, slabs=2)
    residual = torch.tensor([[3.0, 4.0], [1.0, 2.0]], requires_grad=True)
    scheme({"pde": residual})
    late = math.exp(-2.5)  # the early point: (1 + 4) / 2
    np.testing.assert_allclose(scheme.weights["pde"], [[late, late], [1, 1]], rtol=1e-6)
