"""Properties that follow from the formulas, whatever the data; and the options that all schemes share."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pinndiag import schemes
from pinndiag._engine import Evaluation
from pinndiag._errors import PinndiagError
from pinndiag.schemes import AbstractScheme, AbstractTermScheme
from tests.schemes.toys import made, network, terms, train

LOSSES = torch.tensor([3.0, 0.5, 0.1], dtype=torch.float64)


def gradients(seed: int = 0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(3, 40, generator=draws, dtype=torch.float64) * torch.tensor([[30.0], [1.0], [0.2]])


def run(scheme: AbstractTermScheme, steps: int, *, losses: Tensor = LOSSES, g: Tensor | None = None) -> Tensor:
    g = gradients() if g is None else g
    for step in range(steps):
        found = scheme.weigh(losses * 0.99**step, g if scheme.about.needs == "gradients" else None, step)
    return found


RATIOS: dict[str, Callable[[], AbstractTermScheme]] = {
    "dynamic_norm": lambda: schemes.DynamicNorm(eps_rel=0, every=1, keep=0.5, bias_correction=False),
    "inverse_dirichlet": lambda: schemes.InverseDirichlet(eps_rel=0, every=1, keep=0.5),
    "lra_ratio": lambda: schemes.LRAnnealing(eps_rel=0, every=1, keep=0.5, feedback=False),
}


@pytest.mark.parametrize("make", RATIOS.values(), ids=RATIOS)
def test_a_factor_on_one_term_leaves_its_weighted_loss(make: Callable[[], AbstractTermScheme]) -> None:
    factor = torch.tensor([1.0, 7.0, 1.0], dtype=torch.float64)
    plain, scaled = run(make(), 200), run(make(), 200, g=gradients() * factor[:, None])
    torch.testing.assert_close(scaled * factor, plain, rtol=1e-9, atol=0)


def test_a_factor_on_one_term_enters_lr_annealing_by_its_root() -> None:
    def make() -> AbstractTermScheme:
        return schemes.LRAnnealing(every=1, eps_rel=0)

    factor = torch.tensor([1.0, 7.0, 1.0], dtype=torch.float64)
    plain, scaled = run(make(), 400), run(make(), 400, g=gradients() * factor[:, None])
    torch.testing.assert_close(scaled * factor.sqrt(), plain, rtol=1e-9, atol=0)
    wanted = (gradients()[0].abs().max() / gradients().abs().mean(dim=1)).sqrt()
    torch.testing.assert_close(plain[1:], wanted[1:], rtol=1e-9, atol=0)


def test_a_factor_on_one_term_divides_its_ratio_to_the_others_in_global_grad_norm() -> None:
    factor = torch.tensor([1.0, 7.0, 1.0], dtype=torch.float64)
    plain = run(schemes.GlobalGradNorm(keep=0, eps_rel=0), 1)
    scaled = run(schemes.GlobalGradNorm(keep=0, eps_rel=0), 1, g=gradients() * factor[:, None])
    torch.testing.assert_close(scaled[1] / scaled[0], plain[1] / plain[0] / 7, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    "key", ["lra", "inverse_dirichlet", "dynamic_norm", "global_grad_norm", "gradnorm", "relobralo"]
)
def test_a_factor_on_everything_changes_nothing(key: str) -> None:
    plain = run(made(key), 5)
    scaled = run(made(key), 5, losses=LOSSES * 1e4, g=gradients() * 1e4)
    torch.testing.assert_close(scaled, plain, rtol=1e-7, atol=0)


def test_a_factor_on_one_loss_changes_nothing_in_relobralo() -> None:
    factor = torch.tensor([1.0, 100.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(
        run(schemes.ReLoBRaLo(), 30, losses=LOSSES * factor), run(schemes.ReLoBRaLo(), 30), rtol=1e-9, atol=0
    )


@pytest.mark.parametrize("make", RATIOS.values(), ids=RATIOS)
def test_constant_gradients_are_approached_like_the_power_of_keep(make: Callable[[], AbstractTermScheme]) -> None:
    scheme, limit = make(), run(make(), 200)
    for k in range(1, 8):
        off = scheme.weigh(LOSSES, gradients(), k - 1) - limit
        torch.testing.assert_close(off, 0.5**k * (1 - limit), rtol=1e-6, atol=1e-12)


def test_bias_corrected_dynamic_norm_is_the_ratio_from_the_first_refresh() -> None:
    scheme, g = schemes.DynamicNorm(eps_rel=0), gradients()
    wanted = g[0].norm() / g.norm(dim=1)
    for step in range(0, 40, 10):
        torch.testing.assert_close(scheme.weigh(LOSSES, g, step), wanted, rtol=1e-10, atol=0)


def test_single_precision_keeps_the_bias_correction_exact() -> None:
    scheme, g = schemes.DynamicNorm(keep=0.9999, eps_rel=0), gradients().float()
    torch.testing.assert_close(scheme.weigh(LOSSES.float(), g), g[0].norm() / g.norm(dim=1), rtol=1e-5, atol=0)


def test_on_centred_gradients_inverse_dirichlet_is_dynamic_norm_and_mean_over_mean_is_p_1() -> None:
    g = gradients() - gradients().mean(dim=1, keepdim=True)
    options = {"keep": 0.9, "every": 1, "eps_rel": 0}
    norm = schemes.DynamicNorm(bias_correction=False, **options)
    torch.testing.assert_close(run(schemes.InverseDirichlet(**options), 5, g=g), run(norm, 5, g=g), rtol=1e-9, atol=0)
    one = schemes.DynamicNorm(p=1, bias_correction=False, **options)
    mean = schemes.LRAnnealing(stat="mean/mean", feedback=False, **options)
    torch.testing.assert_close(run(mean, 5), run(one, 5), rtol=1e-9, atol=0)


@pytest.mark.parametrize("p", [1, 2, math.inf])
def test_weighted_norms_are_equal_after_a_refresh_without_memory(p: float) -> None:
    weights = run(schemes.DynamicNorm(p=p, keep=0, eps_rel=0), 1)
    norms = torch.linalg.vector_norm(gradients(), ord=p, dim=1)
    torch.testing.assert_close(weights * norms, norms[:1].expand(3), rtol=1e-12, atol=0)


@pytest.mark.parametrize("key", ["gradnorm", "relobralo", "softadapt"])
def test_weights_sum_to_the_number_of_terms(key: str) -> None:
    for steps in (1, 2, 30):
        torch.testing.assert_close(run(made(key), steps).sum(), torch.tensor(3.0, dtype=torch.float64))


def test_relobralo_gives_ones_when_the_losses_fall_together() -> None:
    torch.testing.assert_close(run(schemes.ReLoBRaLo(), 20), torch.ones(3, dtype=torch.float64))


def test_relobralo_that_forgets_nothing_stays_at_its_second_weights() -> None:
    scheme = schemes.ReLoBRaLo(keep=1.0, E_rho=1.0)
    factors = torch.tensor([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [5.0, 1.0, 1.0]])
    series = [scheme.weigh(LOSSES * factor, None, step) for step, factor in enumerate(factors)]
    assert torch.equal(series[1], series[2])
    assert not torch.equal(series[0], series[1])


def test_gradnorm_rests_at_equal_norms_and_rates() -> None:
    scheme = schemes.GradNorm(ascent="sgd", parametrisation="plain", eps_rel=0)
    g = torch.eye(3, 40, dtype=torch.float64)
    for step in range(20):
        assert scheme.weigh(LOSSES * 0.5**step, g, step).tolist() == [1, 1, 1]


def test_uncertainty_tends_to_half_the_inverse_loss() -> None:
    scheme = schemes.Uncertainty(lr=0.05)
    for step in range(1500):
        found = scheme.weigh(LOSSES, None, step)
    torch.testing.assert_close(found, 0.5 / LOSSES, rtol=1e-3, atol=0)


def test_uncertainty_is_clamped() -> None:
    scheme = schemes.Uncertainty(lr=1.0, clamp=2.0)
    for step in range(20):
        found = scheme.weigh(LOSSES * 1e-9, None, step)
    torch.testing.assert_close(found, torch.full((3,), 0.5 * math.exp(2), dtype=torch.float64))


def test_rba_is_bounded_and_the_worst_point_reaches_the_bound() -> None:
    scheme = schemes.RBA(gamma=0.9, normalise=None)
    for step in range(400):
        scheme.weigh({"pde": torch.tensor([0.1, 1.0, 0.5])}, step)
        v = scheme.remembered["pde"]["v"]
        assert float(v.max()) <= 0.01 / (1 - 0.9) + 1e-6
    assert float(v[1]) == pytest.approx(0.1, rel=1e-5)


def test_brdr_keeps_the_mean_and_sa_never_falls() -> None:
    brdr, sa = schemes.BRDR(keep=0.9), schemes.SelfAdaptive(normalise=None, w_max=None)
    draws, before = torch.Generator().manual_seed(0), torch.zeros(8)
    for step in range(30):
        r = torch.rand(8, generator=draws)
        torch.testing.assert_close(brdr.weigh({"pde": r}, step)["pde"].mean(), torch.tensor(1.0))
        now = sa.weigh({"pde": r}, step)["pde"]
        assert bool((now >= before).all())
        before = now


def test_causal_is_one_first_and_falls() -> None:
    scheme = schemes.Causal(time={"pde": torch.arange(20.0)}, slabs=5)
    found = scheme.weigh({"pde": torch.rand(20)})["pde"]
    assert bool((found[:4] == 1).all())
    assert bool((found.diff() <= 0).all())


@pytest.mark.parametrize("key", ["rba", "sa", "point_grad_norm"])
def test_points_are_weighed_with_mean_one_unless_told_otherwise(key: str) -> None:
    for weights in train(network(), made(key), 3):
        torch.testing.assert_close(weights["pde"].mean(), torch.tensor(1.0, dtype=torch.float64))
    raw = train(network(), made(key, normalise=None), 1)[0]["pde"]
    assert abs(float(raw.mean()) - 1) > 1e-3


@pytest.mark.parametrize(
    ("how", "figure"), [("sum", torch.sum), ("mean", torch.mean), ("ref", lambda weights: weights[0])]
)
def test_normalise(how: str, figure: Callable[[Tensor], Tensor]) -> None:
    plain, scaled = run(made("global_grad_norm"), 3), run(made("global_grad_norm", normalise=how), 3)
    assert float(figure(scaled)) == pytest.approx(1)
    torch.testing.assert_close(scaled / scaled[1], plain / plain[1])


def test_limits() -> None:
    plain = run(schemes.DynamicNorm(), 1)
    assert float(plain[2]) > 20 > 5 > float(run(schemes.DynamicNorm(w_max=5), 1).max()) - 1e-9
    assert run(schemes.InverseDirichlet(keep=0, reference="2", w_min=0.5), 1)[:2].tolist() == [0.5, 0.5]
    growing = schemes.DynamicNorm(max_growth=2, every=1)
    for step, wanted in enumerate([2.0, 4.0, 8.0]):
        assert float(growing.weigh(LOSSES, gradients(), step)[2]) == pytest.approx(wanted)
    with pytest.raises(PinndiagError, match="larger than w_max"):
        schemes.DynamicNorm(w_min=2, w_max=1)


def test_an_average_of_limited_ratios_recovers_at_once() -> None:
    """The limit holds for what enters the average, which therefore never winds up beyond it."""
    scheme = schemes.DynamicNorm(w_max=10, keep=0.5, every=1)
    g = gradients()
    for step in range(50):
        scheme.weigh(LOSSES, g * torch.tensor([[1e8], [1.0], [1.0]]), step)
    found = scheme.weigh(LOSSES, torch.ones(3, 40, dtype=torch.float64), 50)
    assert float(found[1]) == pytest.approx(5.5)


def test_no_ratio_exceeds_the_inverse_of_eps_rel() -> None:
    g = gradients() * torch.tensor([[1.0], [1e-30], [1.0]])
    assert float(run(schemes.DynamicNorm(), 1, g=g)[1]) == pytest.approx(1e7)
    scheme = schemes.DynamicNorm()
    run(scheme, 1, g=g)
    assert dict(scheme.vanishing) == {"0": 0, "1": 1, "2": 0}


def test_the_reference_may_carry_a_weight_of_its_own() -> None:
    scheme = schemes.DynamicNorm(keep=0, eps_rel=0, weights={"0": 0.1})
    norms = gradients().norm(dim=1)
    torch.testing.assert_close(run(scheme, 1) * norms, (0.1 * norms[0]).expand(3), rtol=1e-9, atol=0)


def test_a_step_without_the_reference_refreshes_nothing() -> None:
    def absent(step: int, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"bc": outputs["bc"], "ic": outputs["ic"]} if step == 1 else outputs

    history = train(network(), made("lra", every=1), 3, absent)
    assert history[0]["bc"] == history[1]["bc"] != history[2]["bc"]


def test_gradients_are_formed_only_when_a_refresh_is_due() -> None:
    scheme, net = schemes.LRAnnealing(every=3), network()
    for step in range(6):
        evaluation = Evaluation(terms(net), list(net.parameters()), step=step, shared=False)
        assert scheme.forms_gradients(step) == (step % 3 == 0)
        scheme.combine(evaluation)
        assert evaluation.formed == (step % 3 == 0)


@pytest.mark.parametrize("key", ["uncertainty", "relobralo", "softadapt", "rba", "sa", "brdr", "causal", "fixed"])
def test_no_gradient_is_formed_for_those_that_need_none(key: str) -> None:
    net = network()
    evaluation = Evaluation(terms(net), list(net.parameters()), shared=False)
    made(key).combine(evaluation)
    assert not evaluation.formed


def jacobian(output: Tensor, net: nn.Module) -> Tensor:
    rows = [
        torch.autograd.grad(r, list(net.parameters()), retain_graph=True, materialize_grads=True)
        for r in output.reshape(-1)
    ]
    return torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])


def test_ntk_weights_are_those_of_the_dense_kernel() -> None:
    net = network()
    diagonals = {name: jacobian(o, net).square().sum(1) for name, o in terms(net).items()}
    mean = torch.stack([d.mean() for d in diagonals.values()])
    trace = torch.stack([d.sum() for d in diagonals.values()])
    ours = made("ntk", keep=0.0, points=None, eps_rel=0)
    ours(terms(net))
    torch.testing.assert_close(torch.tensor(list(ours.weights.values())), (mean.mean() / mean).double().float())
    paper = made("ntk", preset="paper")
    paper(terms(net))
    torch.testing.assert_close(torch.tensor(list(paper.weights.values())), (trace.sum() / trace).float())


@pytest.mark.parametrize("options", [{"points": 4}, {"estimate": "signs", "probes": 2}])
def test_ntk_estimates_are_unbiased(options: dict[str, object]) -> None:
    net = network()
    wanted = jacobian(terms(net)["pde"], net).square().sum(1).mean()
    scheme = schemes.NTKWeights(**options)
    evaluation = Evaluation(terms(net), list(net.parameters()), shared=False)
    found = [scheme.measure(evaluation, [0])[0, 0] for _ in range(300)]
    error = np.std(found) / math.sqrt(len(found))
    assert abs(float(np.mean(found)) - float(wanted)) < 4 * error < 0.5 * float(wanted)


def test_ntk_of_some_terms_only() -> None:
    outputs = {**terms(network()), "ic": torch.tensor(1.0, requires_grad=True)}
    scheme = made("ntk", terms=["pde", "bc"])
    scheme(outputs)
    assert scheme.weights["ic"] == 1
    assert scheme.weights["bc"] != 1
    with pytest.raises(PinndiagError, match="'ic' is a scalar loss"):
        made("ntk")(outputs)


def test_point_gradient_norms_are_those_of_the_dense_jacobian() -> None:
    net, scheme = network(), made("point_grad_norm", normalise=None)
    gamma = jacobian(terms(net)["pde"], net).norm(dim=1)
    scheme(terms(net))
    torch.testing.assert_close(scheme.weights["pde"], gamma.max() / gamma)


def test_complex_residuals_are_weighed_by_their_modulus() -> None:
    net = network()
    outputs = terms(net)
    both = torch.complex(outputs["pde"], 2 * outputs["pde"])
    scheme = made("rba", normalise=None)
    scheme({"pde": both, "bc": outputs["bc"]}).backward()
    modulus = both.detach().abs()
    torch.testing.assert_close(scheme.weights["pde"], (0.01 * modulus / modulus.max()).square())
    norms = made("point_grad_norm", normalise=None)
    norms({"pde": torch.complex(*[terms(net)["pde"]] * 2), "bc": terms(net)["bc"]})
    gamma = jacobian(terms(net)["pde"], net).norm(dim=1)
    torch.testing.assert_close(norms.weights["pde"], gamma.max() / gamma)


def test_gradnorm_of_one_layer() -> None:
    net = network()
    last = schemes.GradNorm(layer="last", parameters=net.parameters(), ascent="sgd", parametrisation="plain", lr=1e-3)
    named = schemes.GradNorm(layer=list(net[2].parameters()), ascent="sgd", parametrisation="plain", lr=1e-3)
    whole = schemes.GradNorm(ascent="sgd", parametrisation="plain", lr=1e-3)
    for scheme in (last, named, whole):
        for _ in range(3):
            scheme(terms(net))
    assert last.weights == named.weights != whole.weights
    with pytest.raises(PinndiagError, match="does not know which layer"):
        schemes.GradNorm(layer="last")(terms(net))


@pytest.mark.parametrize("key", ["rba", "sa", "brdr"])
def test_points_that_change_are_an_error(key: str) -> None:
    net, scheme = network(), made(key)
    scheme(terms(net))
    with pytest.raises(PinndiagError, match="points of term 'pde' changed"):
        scheme({**terms(net), "pde": terms(net)["pde"][:7]})


def test_points_that_change_are_fine_without_memory() -> None:
    net, scheme = network(), made("point_grad_norm")
    for count in (12, 7, 12):
        scheme({**terms(net), "pde": terms(net)["pde"][:count]})
        assert scheme.weights["pde"].shape == (count,)


@pytest.mark.parametrize("key", ["rba", "sa", "brdr", "point_grad_norm", "causal"])
def test_a_scalar_loss_has_no_points(key: str) -> None:
    outputs = terms(network())
    with pytest.raises(PinndiagError, match="'pde' is a scalar loss"):
        made(key)({**outputs, "pde": outputs["pde"].square().mean()})


def test_validation_at_other_points_takes_the_mean_of_the_point_weights() -> None:
    net, scheme = network(), made("rba", normalise=None)
    scheme(terms(net))
    with torch.no_grad():
        other = torch.full((3,), 2.0, dtype=torch.float64)
        assert float(scheme({"pde": other})) == pytest.approx(4 * float(scheme.weights["pde"].mean()))


def test_causal_names_times_that_do_not_fit() -> None:
    with pytest.raises(PinndiagError, match="5 times, 12 residuals"):
        schemes.Causal(time={"pde": torch.rand(5)})(terms(network()))
    with pytest.raises(PinndiagError, match="no time for the points of term 'bc'"):
        made("causal", terms=["bc"])(terms(network()))


def test_the_optimizer_counts_the_steps() -> None:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    scheme = made("lra", every=2, optimizer=optimizer)
    seen = []
    for _ in range(3):
        for _ in range(2):  # two micro-batches a step
            scheme(terms(net)).backward()
            seen.append(scheme.weights["bc"])
        optimizer.step()
    assert seen[0] == seen[1] == seen[2] == seen[3] != seen[4]


def test_a_scheme_has_no_parameters_of_its_own() -> None:
    for key in schemes.SCHEMES:
        scheme: AbstractScheme = made(key)
        train(network(), scheme, 2)
        assert not list(scheme.parameters())


def test_keys_and_their_near_misses() -> None:
    assert schemes.by_key("Dynamic-Norm") is schemes.DynamicNorm
    assert schemes.by_key("lrannealing") is schemes.LRAnnealing
    with pytest.raises(PinndiagError, match="did you mean 'gradnorm'"):
        schemes.by_key("gradnrm")


def test_making_by_key_says_what_is_missing() -> None:
    assert isinstance(schemes.make("rba", gamma=0.9), schemes.RBA)
    with pytest.raises(PinndiagError, match="without time"):
        schemes.make("causal")


@pytest.mark.parametrize(
    ("mask", "same"), [("square", torch.square), ("sigmoid", torch.sigmoid), ("identity", lambda v: 1.0 * v)]
)
def test_masks_rise_as_autograd_says(mask: str, same: Callable[[Tensor], Tensor]) -> None:
    residuals = {"pde": torch.linspace(0.1, 2, 9, dtype=torch.float64)}
    found = []
    for choice in (mask, same):
        scheme = schemes.SelfAdaptive(mask=choice, scale=2.0, sharpness=3.0, ascent="sgd", lr=0.1, normalise=None)  # type: ignore[arg-type]
        scheme.reference = "pde"
        for step in range(3):
            scheme.weigh(residuals, step)
        found.append(scheme.remembered["pde"]["v"])
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=0)
