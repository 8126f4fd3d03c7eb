"""PD002: a term, a layer or a coefficient that the optimizer cannot change."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Evidence, LayerGradients
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import counted, lost_gradients, without_gradient
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import listed, number, quoted

__all__ = ["CHECK"]

COEFFICIENTS = 16  # a layer without matrices and with at most so many entries is taken for coefficients
FACT = "a gradient of exactly zero beside a loss that is not"


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    terms = counted(record)
    lost = lost_gradients(record)
    dead = sorted(n for n in without_gradient(record) if n not in lost)
    if dead:
        evidence = [
            Evidence(name=f"gradient of {quoted(n)} (its loss is {number(terms[n].loss)})", value=0.0, source=FACT)
            for n in dead
        ]
        evidence += [
            Evidence(name=f"share of the parameters {quoted(n)} reaches", value=terms[n].reached) for n in dead
        ]
        title = f"no parameter can change {listed(dead)}: the gradient is exactly zero, the loss is not"
        cures = [remedies.attach_term(dead[0])]
        return CHECK.finding(title, "problem", terms=dead, evidence=evidence, prescriptions=cures, sure="Certain.")
    unreached = [layer for layer in record.layers if _unreached(layer, set(terms))]
    if unreached and not lost:  # a term that lost its gradient in the training leaves its layers without, too
        return _layers(unreached)
    return _share(record, thresholds)


def _layers(unreached: list[LayerGradients]) -> Outcome:
    coefficients = [layer for layer in unreached if not layer.weight and layer.parameters <= COEFFICIENTS]
    shown = coefficients or unreached
    what = ("coefficient" if coefficients else "layer") + ("s" if len(shown) > 1 else "")
    evidence = [
        Evidence(
            name=f"gradient of every term in {quoted(e.name)} ({e.parameters} parameters)",
            value=0.0,
            source="exactly zero",
        )
        for e in shown
    ]
    return CHECK.finding(
        f"no term changes the {what} {listed([layer.name for layer in shown])}",
        "problem" if coefficients else "warning",
        terms=[],
        evidence=evidence,
        prescriptions=[remedies.use_coefficient() if coefficients else remedies.unused_layer()],
        sure="Certain that no gradient arrives; whether one was meant to is yours to say.",
    )


def _share(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    """A warning where less than half of the network is trained, and it is not finished; else a note."""
    found = record.parameters
    if found is not None and found.entries > 0 and thresholds.reached.passed(found.trainable / found.entries):
        share = found.trainable / found.entries
        frozen = f" (frozen: {listed(found.frozen)})" if found.frozen else ""
        evidence = [_share_evidence("share of the parameters that is trained", share, thresholds)]
        title = f"{number(100 * share)} % of the parameters are trained{frozen}"
        severity = gate(record, thresholds).severity(False)
        return CHECK.finding(title, severity, terms=[], evidence=evidence, sure="You may have meant it.")
    terms = {n: t for n, t in counted(record).items() if t.loss != 0 and not _whole(record, n)}
    low = {n: t.reached for n, t in terms.items() if thresholds.reached.passed(t.reached)}
    if low:
        names = sorted(low, key=lambda n: (low[n], n))
        evidence = [_share_evidence(f"share of the parameters {quoted(n)} reaches", low[n], thresholds) for n in names]
        shares = [number(100 * low[n]) for n in names]
        most = "at most " if len(set(shares)) > 1 else ""
        title = f"{listed(names)} reach{'' if len(names) > 1 else 'es'} {most}{shares[-1]} % of the parameters"
        return CHECK.finding(title, "note", terms=names, evidence=evidence, sure="Usual with several networks.")
    return CHECK.passed()


def _whole(record: DiagnosisRecord, name: str) -> bool:
    """Whether a term reaches some of several networks whole, and nothing of the others: as each equation its own."""
    networks: dict[str, set[bool]] = {}
    for layer in record.layers:
        network, dot, _ = layer.name.partition(".")
        if name in layer.terms:
            networks.setdefault(network if dot else "", set()).add(layer.terms[name].grad_l2 != 0)
    return len(networks) > 1 and all(len(reached) == 1 for reached in networks.values())


def _share_evidence(name: str, share: float, thresholds: Thresholds) -> Evidence:
    return Evidence(name=name, value=share, threshold=thresholds.reached.value, source=thresholds.reached.source)


def _unreached(layer: LayerGradients, names: set[str]) -> bool:
    figures = [found.grad_l2 for name, found in layer.terms.items() if name in names]
    return layer.parameters > 0 and bool(figures) and all(value == 0 for value in figures)


CHECK = Check(
    code="PD002",
    pathology="no_gradient",
    title="A term or a coefficient gets no gradient",
    passing="Every term has a gradient, and every layer receives one",
    needs=("terms",),
    thresholds=("reached",),
    decide=decide,
    detected="A term's gradient is exactly zero while its loss is not; or no term has a gradient in a layer or in a "
    "learnable coefficient. Less than half of the parameters reached by a term is a note, unless it reaches "
    "some of several networks whole; less than half trained is "
    "one in a finished network, else a warning. Terms solved exactly and terms of weight zero do not count, nor those "
    "that had a gradient at the stored start: they lost it in the training (PD501).",
    why="The optimizer cannot change such a term, however long it trains. Weights and learning rates make no "
    "difference.",
    fix="Form the term anew at every step from the network's output, without detach, no_grad, item or data. Pass "
    "coefficients as parameters and use them in the residual.",
    overturned_by="A term that is meant to be constant, or a layer that is kept for later use.",
    reference="PyTorch documentation, Autograd mechanics",
    fault=True,
)
