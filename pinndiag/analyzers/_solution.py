"""The network against a known solution: relative errors, and maps of both over the domain."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._records import Field, Solution
from pinndiag._statistics import _statistics
from pinndiag._terms._pinn import PINN, Reference
from pinndiag._terms._view import View

__all__ = ["FIELD_POINTS", "solution", "thinned"]

FIELD_POINTS = 2500  # points of a map that a page can carry
GAPS = 1.05  # places of a grid for each point of it

Outputs = Float[Tensor, "points outputs"]


def solution(subject: PINN | View) -> Solution:
    """Compare the network with its reference solution, at the reference's own points.

    rel_l2 = |u - solution| / |solution|, pooled over outputs and for each output; the largest absolute error; the
    spread of the network's output against that of the solution; and a map for pictures of network, solution and error
    at no more than 2500 points (see `thinned`). A complex output counts as two, its real and its imaginary part.

    A reference that is zero everywhere has no relative error: infinite, or NaN where the network is zero too. `note`
    says so, and also where NaN comes from entries that are not finite.

    Raises:
        PinndiagError: no reference is known, the network cannot be evaluated, or it has another number of outputs.

    Cost: one forward pass of the network at the reference's points.

    Source of the pictures: Deguchi, Asai 2023 (J. Phys. Commun. 7, 075005), figures 2, 5, 8.

    >>> import torch, pinndiag
    >>> model = torch.nn.Linear(1, 1)
    >>> _ = torch.nn.init.zeros_(model.weight), torch.nn.init.constant_(model.bias, 4.0)      # u = 4
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> pinn = pinndiag.wrap(model, {"data": lambda: model(x)}, solution=(x, torch.tensor([[3.0], [4.0]])))
    >>> found = solution(pinn)                                               # |(1, 0)| / |(3, 4)|
    >>> found.rel_l2, found.max_error, found.field.values["solution_0"]
    (0.2, 1.0, [3.0, 4.0])
    """
    pinn = View.of(subject).pinn
    if pinn.reference is None:
        raise PinndiagError(
            "no reference solution is known",
            cause="solution= was not given when the model was wrapped",
            fix="pass solution=(points, values) to wrap",
        )
    network, values = _outputs(pinn, pinn.reference)
    error = network - values
    lengths = [_statistics.norms(v.T) for v in (error, values)]
    pooled = [_statistics.norms(v.reshape(1, -1)) for v in (error, values)]
    spreads = [_spread(v) for v in (network, values)]
    largest = error.abs().amax()
    rows = _statistics.fetch([t.reshape(1, -1) for t in (*lengths, *pooled, *spreads, largest)])
    errors, sizes, (error_l2,), (size_l2,), (spread,), (spread_of,), (max_error,) = (row[0] for row in rows)
    return Solution(
        rel_l2=_statistics.quotient(error_l2, size_l2),
        outputs=[_statistics.quotient(e, s) for e, s in zip(errors, sizes, strict=True)],
        max_error=max_error,
        field=_field(pinn.reference, network, values),
        spread=_statistics.quotient(spread, spread_of),
        note=_note(network, values, sizes),
    )


def thinned(coordinates: Num[Tensor, "points d"], limit: int = FIELD_POINTS) -> Int[Tensor, " kept"]:
    """Indices of at most `limit` points that stand for all of them in a picture, in their own order.

    Points that are a regular grid (every combination of the coordinates' values, once, in any order; a twentieth of
    them may be missing, as corners are in which a boundary value jumps) stay one: of each axis every k-th value is
    kept, k grown on the axis with the most values left. Of other sets a seeded subset is drawn without replacement.

    >>> import torch
    >>> x, y = torch.meshgrid(torch.arange(6.0), torch.arange(2.0), indexing="ij")
    >>> thinned(torch.stack([x.reshape(-1), y.reshape(-1)], dim=1), limit=6).tolist()         # x = 0, 2, 4
    [0, 1, 4, 5, 8, 9]
    """
    count = len(coordinates)
    if count <= limit:
        return torch.arange(count)
    axes = [torch.unique(column, return_inverse=True) for column in coordinates.detach().cpu().T]
    counts = [len(values) for values, _ in axes]
    if _is_grid([index for _, index in axes], counts):
        strides = _strides(counts, limit)
        kept: Bool[Tensor, " points"] = torch.ones(count, dtype=torch.bool)
        for (_, index), stride in zip(axes, strides, strict=True):
            kept &= index % stride == 0
        return kept.nonzero()[:, 0]
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[:limit].sort().values


def _is_grid(indices: list[Tensor], counts: list[int]) -> bool:
    points = len(indices[0])
    if math.prod(counts) > GAPS * points:
        return False
    place = torch.zeros(points, dtype=torch.long)
    for index, count in zip(indices, counts, strict=True):
        place = place * count + index
    return len(place.unique()) == points


def _strides(counts: list[int], limit: int) -> list[int]:
    strides = [1] * len(counts)

    def left(axis: int) -> int:
        return -(-counts[axis] // strides[axis])

    while math.prod(left(axis) for axis in range(len(counts))) > limit:
        strides[max(range(len(counts)), key=left)] += 1
    return strides


def _outputs(pinn: PINN, reference: Reference) -> tuple[Outputs, Outputs]:
    """The network's outputs and the reference's, as columns of reals in float64."""
    network = _reals(pinn.solve(reference.points).detach())
    values = _reals(reference.values.detach()).to(network.device)
    if network.shape != values.shape:
        raise PinndiagError(
            "the network and its reference solution have different numbers of outputs",
            where=f"network {tuple(network.shape)}, solution= {tuple(values.shape)} (complex outputs count twice)",
            cause="the reference holds only some of the outputs, or derived quantities",
            fix="give values of shape (points, outputs), one column for each output of the network",
        )
    return network, values


def _reals(values: Num[Tensor, "points outputs"]) -> Float[Tensor, "points reals"]:
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj()).reshape(len(values), -1)
    return values.double()


def _spread(values: Outputs) -> Tensor:
    """Standard deviation over the points, pooled over outputs."""
    return (values - values.mean(0)).square().mean(0).sum().sqrt()


def _field(reference: Reference, network: Outputs, values: Outputs) -> Field:
    coordinates = reference.points.coordinates
    kept = thinned(coordinates)
    here = kept.to(network.device)
    columns = {"network": network[here].T.tolist(), "solution": values[here].T.tolist()}
    return Field(
        coordinates=coordinates[here].double().T.tolist(),
        values={f"{name}_{k}": column for name, found in columns.items() for k, column in enumerate(found)},
        of=reference.points.count,
    )


def _note(network: Outputs, values: Outputs, sizes: list[float]) -> str:
    said = []
    for name, found in (("network's output", network), ("reference solution", values)):
        nonfinite = int((~found.isfinite()).sum())
        if nonfinite:
            said.append(f"{nonfinite} of {found.numel()} entries of the {name} are NaN or infinite")
    zero = [str(k) for k, size in enumerate(sizes) if size == 0]
    if zero:
        which = "is zero everywhere" if len(zero) == len(sizes) else f"is zero everywhere in output {', '.join(zero)}"
        said.append(f"the reference solution {which}: it has no relative error")
    return "; ".join(said)
