"""What is watched, and where its records go."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag._records import RUN_SCHEMA, Environment, OptimizerCard, RunHeader, to_plain
from pinndiag._terms import _parameters
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._pinn import Reference
from pinndiag._terms._wrap import Model, forward_of, modules_of, optimized_by, reference_of
from pinndiag._version import __version__
from pinndiag._watch._balance import Balance
from pinndiag._watch._rates import Rates

__all__ = ["Subject", "check_continued", "differences", "header", "run_name"]


@final
@dataclass(frozen=True)
class Subject:
    """The model in training.

    Attributes:
        modules: the bare modules, by prefix.
        parameters: every tensor that is or may become trainable, by name.
        optimizers: those whose steps count at first.
        reference: the known solution, or None.
        solve: the network's output at points, or None.
        outside: the mapping of trainable tensors outside of the modules, as it was given.
    """

    modules: Mapping[str, nn.Module]
    parameters: Mapping[str, Tensor]
    optimizers: Sequence[torch.optim.Optimizer]
    reference: Reference | None
    solve: Any
    outside: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(
        model: Model,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] | None,
        parameters: Mapping[str, Tensor] | Iterable[Tensor] | None,
        solution: tuple[Any, Tensor] | None,
    ) -> Subject:
        """Look at what the user gave.

        Raises:
            PinndiagError: no model, nothing trainable, two devices, or something that is not an optimizer.
        """
        given: list[Any] = [optimizer] if not isinstance(optimizer, (list, tuple)) else list(optimizer)
        optimizers = [entry for entry in given if entry is not None]
        wrong = [entry for entry in optimizers if not _steps(entry)]
        if wrong:
            raise PinndiagError(
                "optimizer= is not a torch optimizer",
                where=f"got {type(wrong[0]).__name__}",
                cause="a scheduler, a name or a wrapper without hooks was passed",
                fix="pass the torch.optim.Optimizer object, a list of them, or None and call watch.step()",
            )
        modules = modules_of(model)
        extra = None if parameters is None else parameters if isinstance(parameters, Mapping) else list(parameters)
        trained = [tensor for entry in optimizers for tensor in optimized_by(entry)]
        found = _parameters.collect(modules, extra, trained)
        every = {
            name: tensor
            for prefix, module in modules.items()
            for name, tensor in module.named_parameters(prefix=prefix)
        }
        named = {**every, **{name: tensor for name, tensor in found.items() if name not in every}}
        devices = {tensor.device for tensor in named.values()}
        if len(devices) > 1:
            raise PinndiagError(
                "the trainable parameters live on several devices",
                where=", ".join(sorted(map(str, devices))),
                cause="the model is split over devices, or a part of it was not moved",
                fix="move all of it to one device before pinndiag.watch",
            )
        reference = reference_of(solution, next(iter(devices)), _parameters.widest(found.values()))
        solve = None if reference is None else forward_of(model, extra, found)
        return Subject(modules, named, optimizers, reference, solve, extra if isinstance(extra, Mapping) else {})

    def now(self, optimizers: Sequence[torch.optim.Optimizer]) -> Subject:
        """The model as it is now: what was added to a module or an optimizer since, or put in the place of another."""
        known = {id(tensor) for tensor in self.parameters.values()}
        inside = {n: t for prefix, module in self.modules.items() for n, t in module.named_parameters(prefix=prefix)}
        new = {name: tensor for name, tensor in {**self.outside, **inside}.items() if id(tensor) not in known}
        seen = known | {id(tensor) for tensor in new.values()}
        trained = [tensor for entry in optimizers for tensor in optimized_by(entry) if id(tensor) not in seen]
        if not new and not trained:
            return self
        gone = {name for name in new if name in self.parameters}  # replaced by another tensor of that name
        kept = {name: tensor for name, tensor in self.parameters.items() if name not in gone}
        extra = {f"optimizer.{len(kept) + i}": tensor for i, tensor in enumerate(trained)}
        return replace(self, parameters={**kept, **new, **extra})

    @property
    def trainable(self) -> dict[str, Tensor]:
        """The tensors that require grad now; some frameworks have empty ones."""
        return {name: tensor for name, tensor in self.parameters.items() if tensor.requires_grad and tensor.numel()}

    def cards(self, optimizers: Sequence[torch.optim.Optimizer]) -> list[OptimizerCard]:
        """What the header says of the optimizers."""
        names = {id(tensor): key for key, tensor in self.parameters.items()}
        states = [OptimizerState.of(optimizer, names) for optimizer in optimizers]
        return [OptimizerCard(kind=s.kind, lr=s.lr, settings=s.settings, has_state=bool(s.state)) for s in states]

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(iter(self.parameters.values())).device


def header(
    subject: Subject, balance: Balance, rates: Rates, *, name: str, waiting: int = 1, processes: int = 1
) -> RunHeader:
    """`run.json` before the first step; its terms come with the first evaluation."""
    scheme = balance.scheme
    parameters = subject.trainable
    tensors = list(parameters.values())
    sizes = _parameters.sizes(tensors)
    return RunHeader(
        schema=RUN_SCHEMA,
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        terms={},
        parameters=dict(zip(parameters, sizes, strict=True)),
        layers=_parameters.layers(parameters),
        weights=dict(balance.weights),
        schedules=rates.words,
        pending=waiting,
        scheme="" if scheme is None else scheme.about.key,
        settings={} if scheme is None else scheme.settings,
        optimizers=subject.cards(subject.optimizers),
        environment=Environment(
            pinndiag=__version__,
            torch=str(torch.__version__),
            python=platform.python_version(),
            device=str(subject.device),
            dtype=str(_parameters.widest(parameters.values())).removeprefix("torch."),
            processes=processes,
        ),
        reference=subject.reference is not None,
        size=float(_parameters.flatten(tensors, tensors).detach().double().norm()),
    )


def check_continued(before: RunHeader, subject: Subject, balance: Balance) -> None:
    """Whether a run can go on with this model and this scheme; its terms are seen at the first evaluation.

    Layers may be frozen or added meanwhile.

    Raises:
        PinndiagError: another scheme, or a parameter that is not there or has another size.
    """
    key = "" if balance.scheme is None else balance.scheme.about.key
    if key != before.scheme:
        raise PinndiagError(
            "the run that is to go on was made with another scheme",
            where=f"in the folder: {before.scheme or 'none'}; now: {key or 'none'}",
            cause="scheme= changed, or to= is the folder of another training",
            fix=f"pass scheme={before.scheme or None!r}, or choose another folder, "
            "or pass overwrite=True instead of resume=True",
        )
    sizes = dict(zip(subject.parameters, _parameters.sizes(subject.parameters.values()), strict=True))
    wrong = [name for name, size in before.parameters.items() if sizes.get(name) != size]
    if wrong:
        shown = ", ".join(f"{name}: {before.parameters[name]} entries, now {sizes.get(name, 0)}" for name in wrong[:4])
        raise PinndiagError(
            "the run that is to go on was made with another network",
            where=shown + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""),
            cause="the architecture changed, or to= is the folder of another training",
            fix="choose another folder, or pass overwrite=True instead of resume=True",
        )


def differences(before: RunHeader, now: RunHeader) -> str:
    """What may change when a run goes on, and did: weights and settings of the scheme, in words."""
    found = []
    for what, old, new in (
        ("weights", before.weights, now.weights),
        ("settings", before.settings, to_plain(now.settings)),
    ):
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if keys:
            shown = ", ".join(f"{key} {old.get(key)} -> {new.get(key)}" for key in keys)
            found.append(f"{what} ({shown})")
    return " and ".join(found)


def _steps(optimizer: object) -> bool:
    return hasattr(optimizer, "param_groups") and hasattr(optimizer, "register_step_post_hook")


def run_name(to: str | Path | None) -> str:
    """How reports call a run: by its folder."""
    return "training" if to is None else Path(to).resolve().name
