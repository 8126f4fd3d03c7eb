"""Remedies that weigh the terms against each other, or combine their gradients."""

from __future__ import annotations

from collections.abc import Sequence

from pinndiag._records import Prescription
from pinndiag.checks._remedies._measured import MEASURED
from pinndiag.checks._wording import listed, number, quoted

__all__ = [
    "fixed_weight",
    "gradient_norm_weights",
    "joint_directions",
    "lr_annealing",
    "scale_losses",
]


def gradient_norm_weights(reference: str, others: Sequence[str]) -> Prescription:
    """Weights that make the gradient norms of the terms equal (dynamic norm, Deguchi and Asai 2023)."""
    names = ", ".join(repr(name) for name in others)
    return Prescription(
        title=f"Balance the gradient norms: weight {listed(list(others))} so that they pull as hard as "
        f"{quoted(reference)}.",
        why="It sets the weights from what the optimizer sees, and keeps them up to date while the terms change.",
        expect=f"{MEASURED}: 1.07 to 0.055, 0.14 to 3.4e-3, and 1.0 to 1.4e-3 with an over-weighted condition; a wave "
        "equation became worse (0.37 to 1.17), so compare (Deguchi, Asai 2023).",
        code=f"""\
parameters = [p for p in model.parameters() if p.requires_grad]
weights, keep, refreshes = dict.fromkeys([{names}], 0.0), 0.99, 0

def norm(loss):
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.sqrt(sum(g.pow(2).sum() for g in found if g is not None)).item()

def balanced(losses, step):  # in the loop: loss = balanced(losses, step); loss.backward()
    global refreshes
    if step % 10 == 0:
        refreshes += 1
        size = norm(losses[{reference!r}])
        for name in weights:
            weights[name] = keep * weights[name] + (1 - keep) * size / (norm(losses[name]) + 1e-7 * size)
    return losses[{reference!r}] + sum(w / (1 - keep**refreshes) * losses[name] for name, w in weights.items())
""",
    )


def lr_annealing(reference: str, others: Sequence[str]) -> Prescription:
    """Learning rate annealing in its feedback form (Wang, Teng, Perdikaris 2021)."""
    names = ", ".join(repr(name) for name in others)
    return Prescription(
        title="Or weight by the largest against the mean gradient (learning rate annealing, feedback form).",
        why="It overshoots less where a condition's data are zero. The form printed in the first paper, without the "
        "weight in the denominator, runs away: do not use it.",
        expect=f"{MEASURED}: 1.07 to 0.033 and 0.14 to 2.1e-3; the printed form 1.0 and 0.94 (Wang et al. 2021).",
        code=f"""\
parameters = [p for p in model.parameters() if p.requires_grad]
weights, keep = dict.fromkeys([{names}], 1.0), 0.9

def flat(loss):
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(found, parameters)]).abs()

def annealed(losses, step):  # in the loop: loss = annealed(losses, step); loss.backward()
    if step % 10 == 0:
        largest = flat(losses[{reference!r}]).max().item()
        for name in weights:
            mean = weights[name] * flat(losses[name]).mean().item()
            weights[name] = keep * weights[name] + (1 - keep) * largest / (mean + 1e-7 * largest)
    return losses[{reference!r}] + sum(w * losses[name] for name, w in weights.items())
""",
    )


def fixed_weight(name: str, weight: float, present: float) -> Prescription:
    """One fixed weight for one term; an effect is stated only where that very weight, or a lowered one, was tried."""
    effect = ""
    if weight < present:
        effect = f"{MEASURED}: 1.0 to 2.2e-3 where an over-large weight was lowered."
    elif present == 1 and weight == 100:
        effect = f"{MEASURED}: 1.07 to 0.059 with this weight."
    return Prescription(
        title=f"Or set the weight of {quoted(name)} to about {number(weight)} (it is {number(present)}) and train "
        "again.",
        why="One line, and easy to compare with; the right size has to be tried.",
        expect=effect,
        code=f"weights = {{name: 1.0 for name in losses}}  # start from the weights you use now\n"
        f"weights[{name!r}] = {weight:.3g}\n"
        "loss = sum(weights[name] * losses[name] for name in losses)\n",
    )


def scale_losses() -> Prescription:
    """Each term divided by the loss that it starts with."""
    return Prescription(
        title="Divide each term by the size that the problem gives it.",
        why="Coefficients many decades from one make one term's gradient that much larger than another's.",
        expect=f"{MEASURED}: 1.95 to 1.6e-3; max/mean annealing did not help (0.84).",
        code="""\
scales = {name: loss.detach() for name, loss in losses.items()}  # once, before the first step
loss = sum(losses[name] / scales[name] for name in losses)
""",
    )


def joint_directions() -> Prescription:
    """One step that serves all terms (ConFIG)."""
    return Prescription(
        title="Step along a direction that every term agrees with (ConFIG).",
        why="The plain sum of the gradients serves one term at another's cost.",
        expect=f"{MEASURED}: 1.07 to 0.29 and 0.14 to 2.0e-3 where one term dominated. L-BFGS or SOAP serve the "
        "same end.",
        code="""\
parameters = [p for p in model.parameters() if p.requires_grad]
rows = []
for loss in losses.values():
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(found, parameters)]))
J = torch.stack(rows)
units = J / J.norm(dim=1, keepdim=True).clamp_min(1e-30)
direction = torch.linalg.lstsq(units, torch.ones(len(J), 1, dtype=J.dtype, device=J.device)).solution[:, 0]
direction = direction / direction.norm()
direction = (J @ direction).sum() * direction
for p, part in zip(parameters, direction.split([p.numel() for p in parameters])):
    p.grad = part.view_as(p).clone()  # instead of loss.backward(); then optimizer.step()
""",
    )
