"""Remedies that change the network."""

from __future__ import annotations

from collections.abc import Sequence

from pinndiag._records import DiagnosisRecord, Prescription
from pinndiag.checks._remedies._measured import MEASURED

__all__ = [
    "affine_inputs",
    "exact_condition",
    "fourier_features",
    "initialise_again",
    "normalised_unknown",
    "scale_output",
]

ONE_SIDED = {"relu", "leaky_relu", "elu", "celu", "silu", "gelu"}  # (nearly) zero for negative values


def exact_condition() -> Prescription:
    """A boundary or initial condition that the network satisfies by construction."""
    return Prescription(
        title="Or satisfy the condition exactly, and drop its term.",
        why="What holds by construction needs no weight, and no solution that ignores it is left.",
        expect=f"{MEASURED}: 1.0 to 1.4e-4 at a trivial solution, 1.0 to 1.3e-3 beside an over-weighted condition.",
        code="""\
class Exact(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):  # here: u = g on the ends of [0, 1]; for u(x, 0) = g(x) take distance = t
        distance = x * (1 - x)
        g = torch.zeros_like(distance)  # any function with the right values on the boundary
        return g + distance * self.network(x)

model = Exact(model)
""",
    )


def affine_inputs(low: Sequence[float] | None, high: Sequence[float] | None) -> Prescription:
    """Inputs mapped to [-1, 1] inside the model."""
    known = bool(low) and bool(high)
    box = (
        f"low, high = torch.tensor({[_short(v) for v in low or ()]}), torch.tensor({[_short(v) for v in high or ()]})"
        if known
        else "low, high = x.detach().amin(0), x.detach().amax(0)"
    )
    return Prescription(
        title="Map the inputs to [-1, 1] inside the model.",
        why="The first layer then works where its activation bends; derivatives follow by the chain rule of autograd.",
        expect=f"{MEASURED}: 0.93 to 1.1e-4 and 1.0 to 1.1e-4. Weights, learning rate and L-BFGS did not help.",
        code=f"""\
class Scaled(torch.nn.Module):
    def __init__(self, network, low, high):
        super().__init__()
        self.network = network
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x):
        return self.network(2 * (x - self.low) / (self.high - self.low) - 1)

{box}
model = Scaled(model, low, high)
""",
    )


def scale_output() -> Prescription:
    """A network whose output has the size of the solution."""
    return Prescription(
        title="Scale the output to the size of the solution.",
        why="A network gives numbers of order one; a solution of another size is out of reach of any weight.",
        expect=f"{MEASURED}: 0.99 to 1.3e-3; no weight and no learning rate helped (1.0).",
        code="""\
class ScaledOutput(torch.nn.Module):
    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x):
        return self.scale * self.network(x)

model = ScaledOutput(model, scale=1e3)  # the size of the solution, from the conditions or the data
""",
    )


def initialise_again(record: DiagnosisRecord) -> Prescription:
    """The usual initialisation for the activations seen: He's for those that are zero on one side, else Glorot's."""
    layers = [] if record.activations is None else record.activations.layers
    seen = {layer.function for layer in layers}
    one_sided = bool(seen) and seen <= ONE_SIDED
    rule = "He (Kaiming) for ReLU and its kin" if one_sided else "Glorot for tanh"
    other = ", He for ReLU and its kin" if not one_sided and (not seen or seen & ONE_SIDED) else ""
    call = 'kaiming_normal_(module.weight, nonlinearity="relu")' if one_sided else "xavier_normal_(module.weight)"
    return Prescription(
        title=f"Initialise the layers again: {rule}{other}.",
        why="Signals that shrink or saturate from layer to layer leave nothing to learn from.",
        expect="An ordinary draw is ordinary again after 200 steps. For sine activations use SIREN's rule.",
        code=f"""\
for module in model.modules():
    if isinstance(module, torch.nn.Linear):
        torch.nn.init.{call}
        torch.nn.init.zeros_(module.bias)
""",
    )


def fourier_features() -> Prescription:
    """Random Fourier features of the inputs."""
    return Prescription(
        title="Give the network Fourier features of its inputs, and draw new points during the training.",
        why="A plain network learns high frequencies last; features put them within its reach (Tancik et al. 2020), "
        "and between the points as well, unless those change.",
        expect=f"{MEASURED}: 0.445 to 1.4e-3; 0.89 to 0.026, with new points 0.0098; in the plane 1.2 to 1.0, with new "
        "points 0.26. The scale matters: try 1, 4 and 10. Four times the width left the error at 0.445.",
        code="""\
class FourierFeatures(torch.nn.Module):
    def __init__(self, inputs, features=64, scale=4.0):
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(inputs, features))

    def forward(self, x):
        phase = 2 * torch.pi * x @ self.frequencies
        return torch.cat([torch.sin(phase), torch.cos(phase)], dim=-1)

model = torch.nn.Sequential(FourierFeatures(inputs=2), *hidden_layers)  # the first layer takes 2 * 64 inputs
""",
    )


def wider_network() -> Prescription:
    """More units."""
    return Prescription(
        title="Make the network wider, then deeper, and train it as before.",
        why="Every parameter is in use already: no other values of them fit better.",
        expect="What helps at once was capacity; four times the width left an error of 0.445 where the frequency was "
        "too high, which Fourier features brought to 1.4e-3.",
        code="""\
width, depth = 64, 3
sizes = [inputs, *[width] * depth, outputs]
layers = []
for a, b in zip(sizes, sizes[1:]):
    layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
model = torch.nn.Sequential(*layers[:-1])
""",
    )


def activation() -> Prescription:
    """An activation between the layers."""
    return Prescription(
        title="Put an activation between the layers.",
        why="Linear layers in a row are one linear layer: every second derivative is zero.",
        code="""\
model = torch.nn.Sequential(
    torch.nn.Linear(inputs, 50), torch.nn.Tanh(),
    torch.nn.Linear(50, 50), torch.nn.Tanh(),
    torch.nn.Linear(50, outputs),
)
""",
    )


def normalised_unknown() -> Prescription:
    """An eigenproblem whose solution must not be zero."""
    return Prescription(
        title="In an eigenvalue problem, fix the size of the unknown.",
        why="Zero solves the equation and every homogeneous condition; no weight can help there.",
        expect="Begin anew: zero is a stationary point of the new term, too. In one problem its weight had to be 300.",
        code="""\
u = model(x)
loss_size = 300 * (u.pow(2).mean() - 1) ** 2  # one more term; or divide u by its own norm
""",
    )


def _short(value: float) -> float:
    return float(f"{value:.6g}")
