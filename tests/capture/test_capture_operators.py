"""What authors of PINNs build with: layers, transforms, linear algebra, special functions; captured and equal."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import pinndiag
from pinndiag import PINN, CaptureError
from pinndiag._capture import Graph, captured, checked_shapes
from tests.capture.test_capture_cases import assert_alike
from tests.cases import derivative, mlp, uniform

WIDTH = 6


class Step(nn.Module):
    """A layer made of a function and of modules that it uses."""

    def __init__(self, run: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.run = run

    def forward(self, z: Tensor) -> Tensor:
        return self.run(z, **self.parts)


def old_weight_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and in many PINNs
        return nn.utils.weight_norm(nn.Linear(WIDTH, WIDTH))


def attention(z: Tensor, q: nn.Module, k: nn.Module, v: nn.Module) -> Tensor:
    return functional.scaled_dot_product_attention(q(z)[None], k(z)[None], v(z)[None])[0]


def linears(*names: str) -> dict[str, nn.Module]:
    return {name: nn.Linear(WIDTH, WIDTH) for name in names}


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "batch norm": lambda: nn.BatchNorm1d(WIDTH),
    "batch norm, eval": lambda: nn.BatchNorm1d(WIDTH).eval(),
    "batch norm, no statistics": lambda: nn.BatchNorm1d(WIDTH, track_running_stats=False),
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "layer norm without weights": lambda: nn.LayerNorm(WIDTH, elementwise_affine=False),
    "group norm": lambda: nn.GroupNorm(2, WIDTH),
    "RMS norm": lambda: nn.RMSNorm(WIDTH),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)),
    "spectral norm, eval": lambda: parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)).eval(),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "weight norm, old": old_weight_norm,
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(WIDTH, WIDTH)),
    "orthogonal, Cayley": lambda: parametrizations.orthogonal(nn.Linear(WIDTH, WIDTH), orthogonal_map="cayley"),
    "GRU cell": lambda: nn.GRUCell(WIDTH, WIDTH),
    "LSTM cell": lambda: Step(lambda z, cell: cell(z)[0], cell=nn.LSTMCell(WIDTH, WIDTH)),
    "RNN": lambda: Step(lambda z, net: net(z[:, None].expand(-1, 3, -1))[0][:, -1], net=nn.RNN(WIDTH, WIDTH)),
    "GRU": lambda: Step(
        lambda z, net: net(z[:, None].expand(-1, 2, -1))[0][:, -1], net=nn.GRU(WIDTH, WIDTH, batch_first=True)
    ),
    "LSTM": lambda: Step(
        lambda z, net: net(z[:, None].expand(-1, 2, -1))[0][:, -1], net=nn.LSTM(WIDTH, WIDTH, batch_first=True)
    ),
    "attention": lambda: Step(attention, **linears("q", "k", "v")),
    "multi-head attention": lambda: Step(
        lambda z, net: net(z[None], z[None], z[None], need_weights=False)[0][0],
        net=nn.MultiheadAttention(WIDTH, 2, batch_first=True),
    ),
    "bilinear": lambda: Step(lambda z, net: net(z, z.cos()), net=nn.Bilinear(WIDTH, WIDTH, WIDTH)),
    "embedding": lambda: Step(lambda z, net: z + net((z[:, 0] > 0.5).long()), net=nn.Embedding(2, WIDTH)),
    "GLU": lambda: nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GLU()),
    "GELU": nn.GELU,
    "GELU by tanh": lambda: nn.GELU("tanh"),
    "softplus": nn.Softplus,
    "Mish": nn.Mish,
    "ELU": nn.ELU,
    "PReLU": nn.PReLU,
    "log sigmoid": nn.LogSigmoid,
    "softmax": lambda: nn.Softmax(-1),
    "log softmax": lambda: nn.LogSoftmax(-1),
    "SIREN": lambda: Step(lambda z: torch.sin(3 * z)),
    "Fourier features": lambda: Step(lambda z: torch.cat([(2 * math.pi * z[:, :3]).sin(), z[:, 3:].cos()], 1)),
    "special functions": lambda: Step(
        lambda z: (
            torch.special.i1e(z) + torch.special.log_ndtr(z)
            + torch.special.xlog1py(z, z.square()) + torch.special.erfcx(z)
        )
    ),
    "gamma functions": lambda: Step(lambda z: torch.lgamma(z.square() + 1) + torch.special.multigammaln(z**2 + 3, 2)),
}  # fmt: skip


def layered(layer: nn.Module, *, order: int = 2) -> PINN:
    """A network with the layer in the middle, in a residual with first or second derivatives."""
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(2, WIDTH), nn.Tanh(), layer, nn.Tanh(), nn.Linear(WIDTH, 1)).double()

    def pde(x: Tensor) -> Tensor:
        u = model(x.requires_grad_(True))
        for _ in range(order):
            u = derivative(u, x)[:, :1]
        return u + x[:, :1]

    return pinndiag.wrap(model, {"pde": pde}, points={"pde": uniform(7, 2)})


def assert_captured(pinn: PINN, tolerance: float = 1e-12) -> None:
    """Loss, gradient and Hessian-vector product of what a file would hold are the live ones."""
    found = captured(pinn)
    checked_shapes(Graph.from_plain(found.graph.to_plain()))
    assert_alike(found.rebuilt(), pinn, tolerance)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    # the first derivative is enough where the second takes seconds
    assert_captured(layered(LAYERS[name](), order=1 if name in ("GRU", "LSTM", "multi-head attention") else 2))


def test_recurrent_layers_in_single_precision() -> None:
    torch.manual_seed(0)
    net, last, x = nn.LSTM(1, WIDTH), nn.Linear(WIDTH, 1), uniform(8, dtype=torch.float32).reshape(4, 2, 1)
    assert_captured(pinndiag.wrap({"net": net, "last": last}, {"data": lambda: last(net(x)[0]) - 1}), 1e-5)


def square(u: Tensor, shift: float = 5.0) -> Tensor:
    """A matrix of 4 x 4 that is far from singular."""
    return u.reshape(4, 4) + shift * torch.eye(4, dtype=u.dtype)


def positive(u: Tensor) -> Tensor:
    return u.reshape(4, 4) @ u.reshape(4, 4).T + torch.eye(4, dtype=u.dtype)


def image(u: Tensor) -> Tensor:
    return u.reshape(1, 1, 4, 4)


ONES, INDEX = torch.ones(4, 1, dtype=torch.float64), torch.tensor([0, 3, 3, 15])

GRIDS: dict[str, Callable[[Tensor], Tensor]] = {  # of a network's values at 16 points
    "spectral derivative": lambda u: torch.fft.irfft(1j * torch.arange(9) * torch.fft.rfft(u), n=16),
    "Fourier transform in two dimensions": lambda u: torch.fft.ifft2(torch.fft.fft2(u.reshape(4, 4)).conj()),
    "short-time Fourier transform": lambda u: torch.stft(
        u, 8, window=torch.ones(8, dtype=u.dtype), return_complex=True
    ),
    "einsum": lambda u: torch.einsum("bi,ij,bj->b", u.reshape(4, 4), u.reshape(4, 4), u.reshape(4, 4)),
    "cumsum": lambda u: u.cumsum(0) + (1 + u / 9).cumprod(0) + u.logcumsumexp(0),
    "quadrature": lambda u: torch.trapezoid(u, dx=0.1)[None] + torch.cumulative_trapezoid(u, dx=0.1),
    "finite differences": lambda u: torch.gradient(u, spacing=0.1)[0] + u.roll(1) - 2 * u,
    "gather": lambda u: u.gather(0, INDEX) + u.take(INDEX) + u[INDEX] + u.index_select(0, INDEX),
    "scatter": lambda u: torch.zeros(4, dtype=u.dtype).scatter_add(0, torch.arange(16) % 4, u),
    "scatter_reduce": lambda u: torch.zeros(4, dtype=u.dtype).scatter_reduce(0, torch.arange(16) % 4, u, "mean"),
    "convolution": lambda u: functional.conv2d(
        functional.pad(image(u), (1, 1, 1, 1), mode="circular"), image(u)[:, :, :3, :3]
    ),
    "transposed convolution": lambda u: functional.conv_transpose1d(
        u[None, None], u[None, None, :3], stride=2, dilation=2
    ),
    "padding": lambda u: sum(functional.pad(image(u), (2, 1, 1, 2), mode=mode) for mode in ("reflect", "replicate")),
    "pooling": lambda u: (
        functional.max_pool2d(image(u), 2)
        + functional.avg_pool2d(image(u), 2)
        + functional.adaptive_avg_pool2d(image(u), 2)
    ),
    "linear interpolation": lambda u: functional.interpolate(u[None, None], size=31, mode="linear", align_corners=True),
    "bilinear interpolation": lambda u: functional.interpolate(
        image(u), size=(7, 7), mode="bilinear", align_corners=True
    ),
    "bicubic interpolation": lambda u: functional.interpolate(image(u), scale_factor=2, mode="bicubic"),
    "nearest interpolation": lambda u: functional.interpolate(image(u), scale_factor=2, mode="nearest"),
    "grid_sample": lambda u: functional.grid_sample(image(u), torch.tanh(u).reshape(1, 2, 4, 2), align_corners=True),
    "pixel shuffle": lambda u: functional.pixel_shuffle(u.reshape(1, 4, 2, 2), 2),
    "unfold and fold": lambda u: functional.fold(functional.unfold(image(u), 2).square(), (4, 4), 2),
    "solve": lambda u: torch.linalg.solve(square(u), ONES),
    "inverse": lambda u: torch.linalg.inv(square(u)),
    "determinant": lambda u: torch.linalg.det(square(u))[None] + torch.logdet(square(u)),
    "Cholesky": lambda u: torch.cholesky_solve(ONES, torch.linalg.cholesky(positive(u))),
    "Cholesky inverse": lambda u: torch.cholesky_inverse(torch.linalg.cholesky(positive(u))),
    "triangular solve": lambda u: torch.linalg.solve_triangular(square(u).tril(), ONES, upper=False),
    "LU": lambda u: torch.linalg.lu_solve(*torch.linalg.lu_factor(square(u)), ONES) + torch.linalg.lu(square(u))[2],
    "eigenvalues": lambda u: torch.linalg.eigvalsh(positive(u) + torch.diag(torch.arange(4))),
    "singular values": lambda u: torch.linalg.svdvals(square(u) + torch.diag(torch.arange(4))),
    "pseudo-inverse": lambda u: torch.linalg.pinv(square(u)[:, :3]),
    "matrix exponential": lambda u: torch.linalg.matrix_exp(u.reshape(4, 4)),
    "products": lambda u: torch.vdot(u, u)[None] + torch.outer(u, u) + torch.kron(u[:4], u[:4]),
    "blocks": lambda u: torch.block_diag(u.reshape(4, 4), u[None]) + torch.diag(u.reshape(4, 4)).sum(),
    "batches of products": lambda u: torch.addbmm(u.reshape(4, 4), u.reshape(1, 4, 4), u.reshape(1, 4, 4)),
    "complex numbers": lambda u: torch.complex(u[:8], u[8:]).tanh() * torch.exp(1j * u[:8]) / (2 + u[8:]) * 1j,
    "complex products": lambda u: torch.vdot(torch.complex(u[:8], u[8:]), torch.complex(u[8:], u[:8])).abs()[None],
    "order statistics": lambda u: torch.stack([u.median(), u.kthvalue(3)[0], u.quantile(0.3), u.amax(), u.std()]),
    "log density": lambda u: torch.distributions.Normal(u, 1.0).log_prob(torch.ones(16, dtype=u.dtype)),
    "cross entropy": lambda u: functional.cross_entropy(u.reshape(4, 4), torch.arange(4), reduction="none"),
    "logits": lambda u: functional.binary_cross_entropy_with_logits(u, torch.full_like(u, 0.3), reduction="none"),
    "distances": lambda u: torch.cosine_similarity(u.reshape(4, 4), ONES.T) + functional.huber_loss(u, u.square()),
}


@pytest.mark.parametrize("name", GRIDS)
def test_functions_of_values_on_a_grid(name: str) -> None:
    model, grid = mlp(), torch.linspace(0, 1, 16, dtype=torch.float64)[:, None]
    assert_captured(pinndiag.wrap(model, {"grid": lambda: GRIDS[name](model(grid)[:, 0])}))


def test_the_wrong_derivative_of_a_kernel_is_kept() -> None:
    """torch 2.13 differentiates layer normalisation wrongly in a residual with second derivatives: so does a file."""

    class Exact(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            spread, centre = torch.var_mean(z, -1, keepdim=True, correction=0)
            return (z - centre) * torch.rsqrt(spread + 1e-5)

    fused, exact = layered(nn.LayerNorm(WIDTH, elementwise_affine=False)), layered(Exact())
    twin = captured(fused).rebuilt()

    def gradient(pinn: PINN) -> Tensor:
        pulled = torch.autograd.grad(pinn.losses()["pde"], pinn.tensors, allow_unused=True)
        return torch.cat([g.reshape(-1) for g in pulled if g is not None])

    live = gradient(fused)
    torch.testing.assert_close(gradient(twin), live, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(fused.losses()["pde"], exact.losses()["pde"], rtol=1e-10, atol=0)
    if torch.__version__.startswith("2.13"):
        assert float((live - gradient(exact)).norm() / live.norm()) > 1e-2


class Cube(torch.autograd.Function):
    """Its backward forgets a factor."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return u**3

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] * ctx.saved_tensors[0] ** 2


def test_a_wrong_backward_is_refused_by_name() -> None:
    model, x = mlp(), uniform(5)
    pinn = pinndiag.wrap(model, {"cubed": lambda: Cube.apply(model(x))})  # type: ignore[no-untyped-call]
    with pytest.raises(CaptureError, match=r"'cubed' cannot be captured: its gradient differs(.|\n)*Function Cube"):
        captured(pinn)


NO_GRADIENT: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "detached output": lambda model, x: model(x).detach() * x,
    "output under no_grad": lambda model, x: torch.no_grad()(model)(x) + x.sin(),
    "data of the output": lambda model, x: (model(x).data * x).square().mean(),
}


@pytest.mark.parametrize("name", NO_GRADIENT)
def test_terms_that_no_parameter_changes(name: str) -> None:
    model, x = mlp(), uniform(5)
    pinn = pinndiag.wrap(
        model,
        {"sick": lambda x: NO_GRADIENT[name](model, x.requires_grad_(True)), "bc": model},
        points={"sick": x, "bc": x},
    )
    assert_captured(pinn)
    twin = captured(pinn).rebuilt()
    for tensor, other in zip(pinn.tensors, twin.tensors, strict=True):  # the value follows the parameters all the same
        tensor.data.mul_(1.5)
        other.data.mul_(1.5)
    torch.testing.assert_close(twin.losses(["sick"])["sick"], pinn.losses(["sick"])["sick"], rtol=1e-12, atol=0)
    pulled = torch.autograd.grad(twin.losses()["sick"], twin.tensors, materialize_grads=True)
    assert not any(gradient.any() for gradient in pulled)


UNCAPTURABLE: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "sparse": ("sparse", lambda u: torch.sparse.mm(torch.eye(16, dtype=u.dtype).to_sparse(), u[:, None])),
    "least squares": ("linalg_lstsq", lambda u: torch.linalg.lstsq(square(u), ONES)[0]),
    "no derivative": ("has no gradient", lambda u: torch.heaviside(u, u[:1]) * u),
    "overwritten": ("has no gradient", lambda u: (lambda v: v.sin() * v.mul_(2))(u * 1.0)),
}


@pytest.mark.parametrize("name", UNCAPTURABLE)
def test_what_is_refused_says_which_operator_and_what_to_do(name: str) -> None:
    reason, run = UNCAPTURABLE[name]
    model, grid = mlp(), torch.linspace(0, 1, 16, dtype=torch.float64)[:, None]
    with pytest.raises(CaptureError, match=rf"term 'grid'(.|\n)*{reason}") as raised:
        captured(pinndiag.wrap(model, {"grid": lambda: run(model(grid)[:, 0])}))
    assert raised.value.fix


def test_a_kernel_without_second_derivative_is_captured_to_the_first() -> None:
    centres, x = nn.ParameterList([uniform(4, 2)]), uniform(6, 2, seed=8)
    pinn = pinndiag.wrap(centres, {"rbf": lambda: torch.exp(-(torch.cdist(x, centres[0]) ** 2)).sum(1) - 1})
    twin = captured(pinn).rebuilt()
    live = torch.autograd.grad(pinn.losses()["rbf"], pinn.tensors)
    torch.testing.assert_close(torch.autograd.grad(twin.losses()["rbf"], twin.tensors), live, rtol=1e-12, atol=1e-14)


def test_the_default_dtype_of_the_reader_does_not_matter() -> None:
    model, x = mlp(), uniform(5)

    def term(x: Tensor) -> Tensor:
        out = torch.ones(len(x), 2)
        out[:, :1] = model(x)
        return out * torch.arange(2.0)

    torch.set_default_dtype(torch.float64)
    try:
        pinn = pinndiag.wrap(model, {"term": term}, points={"term": x})
        twin = captured(pinn).rebuilt()
        live = pinn.losses()["term"]
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(twin.losses()["term"], live, rtol=0, atol=0)


def test_a_loop_over_thousands_of_points_is_refused() -> None:
    model, x = mlp(), uniform(5000)
    with pytest.raises(CaptureError, match="more than 4096 pieces"):
        captured(pinndiag.wrap(model, {"loop": lambda: torch.stack(list(model(x)[:, 0].unbind()))}))
