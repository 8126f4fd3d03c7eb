"""The lines that users are told to paste: they parse whatever a term is called, and the central ones run."""

import ast
import math
import shlex

import pytest
import torch

import pinndiag
from pinndiag._records import Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.schemes import SCHEMES
from tests.checks.records import activation, activations, record, replace

HOSTILE = 'x\'); import os  # \n""" {0} %s </script>'

STORED = replace(record(), run=replace(record().run, source=HOSTILE))

MADE = {
    "gradient_norm_weights": (HOSTILE, ["bc", HOSTILE], STORED),
    "lr_annealing": (HOSTILE, STORED),
    "joint_directions": (STORED,),
    "initialise_again": (STORED,),
    "damped_weights": (HOSTILE,),
    "fixed_weight": (HOSTILE, 100.0, 1.0),
    "affine_inputs": ([0.0, -1.0], [1e3, 1.0]),
    "smaller_rate": (1e-4,),
    "larger_rate": (1e-2,),
    "point_weights": (HOSTILE,),
    "attach_term": (HOSTILE,),
    "check_create_graph": (HOSTILE,),
    "one_term": (HOSTILE, HOSTILE),
    "rename_terms": (HOSTILE, HOSTILE),
    "contradiction": ([HOSTILE, "bc"],),
    "look_closer": (STORED,),
}


def made(name):
    prescription = getattr(remedies, name)(*MADE.get(name, ()))
    if isinstance(prescription, list):
        (prescription,) = prescription
    assert isinstance(prescription, Prescription)
    return prescription


@pytest.mark.parametrize("name", remedies.__all__)
def test_lines_parse_and_titles_stay_on_one_line(name):
    found = made(name)
    assert found.title.endswith(".")
    assert "\n" not in found.title
    assert found.why
    assert found.code or found.command
    tree = ast.parse(found.code)
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    assert "os" not in imported


@pytest.mark.parametrize("name", remedies.__all__)
def test_only_commands_that_exist_are_named(name):
    found = made(name)
    words = shlex.split(found.command)
    assert not words or words[:2] in (["pinndiag", verb] for verb in ("analyze", "compare", "remediate"))
    if words[1:2] == ["remediate"]:
        assert words[2] == HOSTILE
        assert words[3] == "--scheme"
        assert words[4] in SCHEMES


def test_a_thorough_analysis_is_not_sent_to_look_closer():
    done = replace(record(), run=replace(record().run, mode="thorough"))
    assert remedies.look_closer(done) == []


def test_a_path_cannot_add_to_the_command():
    done = replace(record(), run=replace(record().run, source="a; rm -rf b"))
    assert shlex.split(remedies.look_closer(done)[0].command)[2] == "a; rm -rf b"


def test_a_command_names_the_factory_that_the_file_needs():
    done = replace(record(), run=replace(record().run, source="w.pt", factory="my heat.py:make"))
    assert remedies.look_closer(done)[0].command == "pinndiag analyze w.pt --factory 'my heat.py:make' --thorough"


def toy():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    x = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    losses = {"pde": 1e3 * model(x).square().mean(), "bc": (model(x[:1]) - 1).square().mean()}
    return {"torch": torch, "pinndiag": pinndiag, "model": model, "x": x, "losses": losses}


def run(prescription, space):
    exec(compile(prescription.code, "<prescription>", "exec"), space)
    return space


def norm(space, loss):
    parameters = list(space["model"].parameters())
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None]).norm().item()


def test_gradient_norms_are_balanced_from_the_first_step():
    space = toy()
    sizes = {name: norm(space, loss) for name, loss in space["losses"].items()}
    expected = space["losses"]["pde"] + sizes["pde"] / sizes["bc"] * space["losses"]["bc"]
    run(remedies.gradient_norm_weights("pde", ["bc"], STORED), space)
    assert space["loss"].item() == pytest.approx(expected.item(), rel=1e-4)  # the guard of the denominator


def test_annealing_has_the_weight_in_the_denominator():
    space = run(remedies.lr_annealing("pde", STORED), toy())
    assert space["scheme"].feedback


def test_joint_direction_lowers_every_term():
    space = toy()
    parameters = list(space["model"].parameters())
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, retain_graph=True)])
        for loss in space["losses"].values()
    ]
    run(remedies.joint_directions(STORED), space)
    space["loss"].backward()
    step = torch.cat([p.grad.flatten() for p in parameters])
    assert all(row @ step > 0 for row in rows)


def test_a_run_is_sent_to_its_network():
    done = replace(record(), run=replace(record().run, mode="run", origin="run", source="runs/heat"))
    (found,) = remedies.look_closer(done)
    assert not found.command
    assert "watch.diagnose(pinn)" in found.code
    assert remedies.joint_directions(done).command == ""


def test_affine_map_sends_the_box_to_plus_minus_one():
    space = toy() | {"model": torch.nn.Identity()}
    run(remedies.affine_inputs([0.0, -5.0], [1000.0, 5.0]), space)
    assert space["model"](torch.tensor([[0.0, 5.0], [1000.0, -5.0]])).tolist() == [[-1.0, 1.0], [1.0, -1.0]]


def test_a_smaller_rate_is_set():
    model = torch.nn.Linear(1, 1)
    space = {"optimizer": torch.optim.SGD(model.parameters(), lr=1.0)}
    run(remedies.smaller_rate(0.25), space)
    assert space["optimizer"].param_groups[0]["lr"] == 0.25


def test_a_training_begins_anew_without_what_the_optimizer_remembers():
    model = torch.nn.Linear(1, 1)
    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    space = {"model": model, "initial": initial, "optimizer": torch.optim.Adam(model.parameters(), lr=1.0)}
    model(torch.ones(1, 1)).sum().mul(math.nan).backward()
    space["optimizer"].step()
    assert model.weight.isnan().all()
    run(remedies.smaller_rate(0.25, anew=True), space)
    assert torch.equal(model.weight, initial["weight"])
    assert not space["optimizer"].state
    assert space["optimizer"].param_groups[0]["lr"] == 0.25


def test_causal_weights_hold_back_what_comes_after_a_large_residual():
    space = run(remedies.causal_weights(), {"torch": torch})
    t = torch.linspace(0, 1, 100)[:, None]
    residual = torch.where(t < 0.5, torch.full_like(t, 10.0), torch.ones_like(t))
    assert space["causal"](residual, t).item() == pytest.approx(100 / 20, rel=1e-6)  # only the first slab counts


def test_fresh_points_stay_in_the_box():
    space = run(remedies.resample(), toy())
    drawn = space["draw"](100)
    assert drawn.shape == (100, 1)
    assert ((drawn >= 0) & (drawn <= 1)).all()


@pytest.mark.parametrize(
    ("weight", "present", "words"), [(100.0, 1.0, "0.059"), (1000.0, 1.0, ""), (100.0, 10.0, ""), (1.0, 1e3, "2.2e-3")]
)
def test_a_weight_is_promised_its_own_effect_only(weight, present, words):
    expect = remedies.fixed_weight("bc", weight, present).expect
    assert words in expect
    assert bool(expect) == bool(words)


def test_the_lines_of_a_longer_training_triple_the_steps():
    space = toy() | {"steps": 5}
    space["optimizer"] = torch.optim.Adam(space["model"].parameters())
    assert run(remedies.train_longer(), space)["steps"] == 15


@pytest.mark.parametrize(
    ("functions", "title", "drawn"),
    [
        (["tanh", "sin"], "Glorot for tanh.", "xavier"),
        (["relu", "silu"], "He (Kaiming) for ReLU and its kin.", "kaiming"),
        ([], "Glorot for tanh, He for ReLU and its kin.", "xavier"),
        (["relu", "tanh"], "Glorot for tanh, He for ReLU and its kin.", "xavier"),
    ],
)
def test_layers_are_initialised_by_the_rule_of_their_activation(functions, title, drawn):
    seen = activations(*(replace(activation(f"{i}"), function=name) for i, name in enumerate(functions)))
    found = remedies.initialise_again(replace(record(), activations=seen if functions else None))
    assert found.title == f"Initialise the layers again: {title}"
    model = torch.nn.Sequential(torch.nn.Linear(200, 200))
    torch.manual_seed(0)
    exec(found.code, {"model": model, "torch": torch})
    assert drawn in found.code
    variance = float(model[0].weight.detach().var())
    assert 200 * variance == pytest.approx(2.0 if drawn == "kaiming" else 1.0, rel=0.05)


def test_one_term_pulls_and_several_pull():
    one, two = (remedies.gradient_norm_weights("pde", names, record()).title for names in (["bc"], ["bc", "ic"]))
    assert one.endswith("weight 'bc' so that it pulls as hard as 'pde'.")
    assert two.endswith("weight 'bc' and 'ic' so that they pull as hard as 'pde'.")
