"""The drawing itself: where things fall, and what the claims say."""

from __future__ import annotations

import base64
import io
import math
import re

import msgspec
import numpy as np
import pytest
from PIL import Image

from pinndiag._records import DiagnosisRecord, from_plain, to_plain
from pinndiag_reports import to_html
from pinndiag_reports._parts import Figure, Grid, Section
from pinndiag_reports.figures import sections
from pinndiag_reports.figures._plot import Plot, drawing
from pinndiag_reports.figures._raster import MISSING, NOT_FINITE, Colors, dots, lattice, png
from pinndiag_reports.figures._scale import Linear, Log, Rows, SymLog, array
from pinndiag_reports.figures._scene import Scene, Style


@pytest.mark.parametrize(
    "scale",
    [
        Linear(-3, 7),
        Linear(1e-9, 1.1e-9),
        Linear(0, 1e300),
        Log(-7.2, 4.1),
        Log(0.1, 0.4),
        Log(1.0, 2.7),
        SymLog(-40, 1e4, 1e-2),
    ],
    ids=repr,
)  # fmt: skip
def test_ticks_say_where_they_are(scale: Linear | Log | SymLog) -> None:
    ticks = scale.ticks
    assert 1 <= len(ticks) <= 12
    superscript = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    for place, label in ticks:
        assert -1e-9 <= place <= 1 + 1e-9
        found = re.fullmatch(r"(-?)10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", label)
        value = float(label) if not found else (-1 if found[1] else 1) * 10.0 ** int(found[2].translate(superscript))
        assert scale.place(array([value]))[0] == pytest.approx(place, abs=0.02)
    places = [place for place, _ in ticks]
    assert places == sorted(places)


def test_log_axes_give_no_place_to_what_is_not_positive() -> None:
    place = Log(-2, 2).place(array([1e-2, 1.0, 1e2, 0.0, -1.0, math.nan, math.inf]))
    np.testing.assert_allclose(place[:3], [0, 0.5, 1])
    assert np.isnan(place[3:]).all()


def test_symlog_is_odd_and_monotone() -> None:
    scale = SymLog(-1e4, 1e4, 1e-2)
    x = np.concatenate([-np.geomspace(1e4, 1e-3, 20), [0], np.geomspace(1e-3, 1e4, 20)])
    place = scale.place(x)
    assert (np.diff(place) > 0).all()
    np.testing.assert_allclose(place + place[::-1], 1)


@pytest.mark.parametrize("values", [[], [math.nan], [0.0, 0.0], [5.0], [-1e-300, 1e-300], [math.inf, 1.0]])
def test_an_axis_has_some_length_whatever_the_data(values: list[float]) -> None:
    for scale in (Linear.over(values), Log.over(values)):
        assert scale.high > scale.low
        assert math.isfinite(scale.low)
        assert math.isfinite(scale.high)


def test_a_line_lies_where_it_should() -> None:
    with drawing():
        plot = Plot(Linear(0, 10), Linear(0, 1), width=200, height=100, left=50, right=50, top=10, bottom=40)
        plot.line([0, 5, 10], [0, 1, 0.5], Style("s2", "4 2"))
        svg = str(plot.svg("x"))
    [path] = re.findall(r'<path d="([^"]*)"[^>]*stroke: var\(--s2\)', svg)
    numbers = [float(part) for part in re.findall(r"[-\d.]+", path)]
    np.testing.assert_allclose(numbers, [50, 60, 100, 10, 150, 35], atol=0.11)
    assert "stroke-dasharray: 4,2" in svg


def test_the_svg_takes_no_style_no_font_and_no_name_into_the_page() -> None:
    with drawing():
        plot = Plot(Linear(0, 1), Rows(("$x$", "<b>", "a & b")))
        plot.dots([0.5], [1], Style("s0"))
        svg = str(plot.svg("x"))
    assert "<style" not in svg
    assert "font-family" not in svg
    assert "<metadata" not in svg
    assert ">$x$</text>" in svg
    assert ">&lt;b&gt;</text>" in svg
    assert all(re.fullmatch("[mp][0-9a-f]{10}", name) for name in re.findall(r'id="([^"]*)"', svg))


def test_panels_with_the_same_content_have_different_inner_names() -> None:
    found = []
    with drawing():
        for salt in ("a", "b"):
            plot = Plot(Linear(0, 1), Linear(0, 1))
            plot.line([0, 1], [0, 1], Style("s0"), markers=True)
            found.append(set(re.findall(r'id="([^"]*)"', str(plot.svg(salt)))))
    assert found[0]
    assert not found[0] & found[1]


def test_steps_show_every_count_and_no_line_along_the_floor() -> None:
    with drawing():
        plot = Plot(Linear(0, 6), Log(-2, 0), width=200, height=100, left=50, right=50, top=10, bottom=40, grid="none")
        plot.steps(array(range(7)), array([0, 0, 1, 0.1, 0, 0]), Style("s1"), fill=False)
        svg = str(plot.svg("x"))
    [path] = re.findall(r'<path d="([^"]*)"[^>]*stroke: var\(--s1\)', svg)
    assert "10" in path.split("L")[1]  # the full bin reaches the top
    xs = [float(pair.split()[0]) for pair in re.split("[ML]", path) if pair]
    assert min(xs) > 80  # nothing is drawn over the empty bins on the left
    assert max(xs) < 120


def test_a_lattice_is_recognised_in_any_order_and_scattered_points_are_not() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 5), np.linspace(2, 3, 7), indexing="ij"))
    order = np.random.default_rng(0).permutation(x.size)
    image = lattice(x[order], y[order], np.arange(x.size, dtype=np.uint8)[order])
    assert image is not None
    assert image.shape == (7, 5)
    assert image[-1, 0] == 0  # the first point: left and low
    assert image[0, -1] == 34
    scattered = np.random.default_rng(0).random((2, 35))
    assert lattice(*scattered, np.zeros(35, dtype=np.uint8)) is None


def test_dots_draw_the_largest_on_top_and_leave_the_rest_empty() -> None:
    image = dots(
        array([0.5, 0.5, 0.0]), array([0.5, 0.5, 1.0]), np.array([7, 9, 3], dtype=np.uint8),
        width=21, height=11, size=3, order=array([2.0, 1.0, 5.0]),
    )  # fmt: skip
    assert image[5, 10] == 7
    assert image[0, 0] == 3
    assert (image != MISSING).sum() == 18


def test_a_png_has_the_colours_of_its_map() -> None:
    colors = Colors("viridis", 0.0, 1.0)
    indices = colors.indices(array([0.0, 1.0, math.nan]))
    assert indices[2] == NOT_FINITE
    image = Image.open(io.BytesIO(png(np.append(indices, MISSING).astype(np.uint8)[None, :], colors))).convert("RGBA")
    assert image.getpixel((0, 0)) == (68, 1, 84, 255)
    assert image.getpixel((1, 0)) == (253, 231, 36, 255)
    assert image.getpixel((2, 0)) == (255, 0, 200, 255)
    assert image.getpixel((3, 0))[3] == 0


def figure(found: tuple[Section, ...], name: str) -> Figure:
    [item] = [part for section in found for part in section.parts if isinstance(part, Figure) and part.id == name]
    return item


def test_claims_carry_the_numbers(sick: DiagnosisRecord) -> None:
    found = sections(sick)
    pull = sick.terms["pde"].grad_l2 / (5 * sick.terms["bc"].grad_l2)
    assert figure(found, "fig-distributions").title.startswith(f"pde pulls {round(pull, -1):.0f} times as hard as bc")
    assert "0.62 times the largest stable one" in figure(found, "fig-sigma-max").title
    assert "lower the total 250-fold; alone, pde falls least, 80-fold" in figure(found, "fig-probes").title
    assert "misses the solution by 37 %" in figure(found, "fig-solution").title
    assert [panel.title for panel in figure(found, "fig-solution").panels] == ["network", "solution", "absolute error"]


def test_a_largest_error_that_is_not_known_is_not_claimed(sick: DiagnosisRecord) -> None:
    assert sick.solution is not None
    course = msgspec.structs.replace(
        sick, solution=msgspec.structs.replace(sick.solution, max_error=math.nan, field=None)
    )  # as of a run alone
    told = figure(sections(course), "fig-solution")
    assert told.title == "The network misses the solution by 37 % (relative L2)"
    assert "Largest absolute error" not in to_html(course)


def test_heat_map_cells_are_log10_of_the_norms(sick: DiagnosisRecord) -> None:
    [heat] = [p for s in sections(sick) for p in s.parts if isinstance(p, Grid) and p.id == "fig-heat"]
    for layer, (name, cells) in zip(sick.layers, heat.rows, strict=True):
        assert name == layer.name
        values = [layer.terms["pde"].grad_l2, layer.terms["bc"].grad_l2, layer.total.grad_l2]
        assert [cell.text for cell in cells] == [f"{math.log10(value):.1f}" for value in values]
    shades = [cell.shade for _, cells in heat.rows for cell in cells]
    assert min(s for s in shades if s is not None) == 0
    assert max(s for s in shades if s is not None) == 8


def test_conflict_matrix_is_symmetric(large: DiagnosisRecord) -> None:
    [matrix] = [p for s in sections(large) for p in s.parts if isinstance(p, Grid) and p.id == "fig-conflicts"]
    texts = [[cell.text for cell in cells] for _, cells in matrix.rows]
    assert texts == [list(column) for column in zip(*texts, strict=True)]
    assert texts[0][1] == f"{large.cosine['term_0|term_1']:+.2f}"
    worst = min(large.cosine.values())
    assert f"{worst:+.2f}" in matrix.title


def test_plain_descent_draws_its_limit_and_adam_its_own(make: object) -> None:
    for adam in (True, False):
        record: DiagnosisRecord = make(adam=adam, points=(20,))  # type: ignore[operator]
        chart = figure(sections(record), "fig-sigma-max")
        svg = str(chart.panels[0].svg)
        assert ("total, Adam" in svg) == adam
        assert ("limit for Adam" in svg) == adam
        assert ("limit for gradient descent: 2000" in svg) == (not adam)
        assert ("2/lr = 2000" in chart.note) == (not adam)
        density = figure(sections(record), "fig-density")
        assert ("limit 2000" in str(density.panels[0].svg)) == (not adam)


def test_terms_look_the_same_in_every_figure(large: DiagnosisRecord) -> None:
    scene = Scene(large)
    looks = [scene.style(name) for name in scene.shown]
    assert (
        len({look.color for look in looks})
        == len({look.dash for look in looks})
        == len({look.marker for look in looks})
        == 6
    )


def test_maps_are_images_of_the_points(sick: DiagnosisRecord) -> None:
    panel = figure(sections(sick), "fig-solution").panels[0]
    [data, _bar] = re.findall(r"base64,([^\"]+)", str(panel.svg))
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (50, 50)


def test_a_part_that_is_absent_gives_its_reason(sick: DiagnosisRecord) -> None:
    plain = to_plain(sick)
    plain |= {"ntk": None, "solution": None, "start": None, "probe": None, "activations": None, "pareto": None}
    plain["reasons"] = {"kernel": "left out by quick", "solution": "none was given", "curvature.density": "too costly"}
    plain["spectrum"]["density"] = None
    for name in plain["terms"]:
        plain["terms"][name]["probe_alone"] = None
    found = {
        part.what: part.why
        for s in sections(from_plain(plain, DiagnosisRecord))
        for part in s.parts
        if part.kind == "absent"
    }
    assert found["Kernel eigenvalues"] == "left out by quick"
    assert found["Solution"] == "none was given"
    assert found["Spectral density of the total"] == "too costly"
    assert "Descent probes" in found
    assert "Start against now" in found
    assert "Activations" in found
    assert "Pareto stationarity" in found


def _figure(record: DiagnosisRecord, id: str) -> Figure:
    parts = [part for section in sections(record) for part in section.parts]
    return next(part for part in parts if isinstance(part, Figure) and part.id == id)


def test_where_all_weights_are_one_the_gradient_is_drawn_once(sick: DiagnosisRecord) -> None:
    plain = to_plain(sick)
    for weight, said in ((1.0, True), (2.0, False)):
        for term in plain["terms"].values():
            term["weight"] = weight
        chart = _figure(from_plain(plain, DiagnosisRecord), "fig-distributions")
        assert any("all weights are 1" in panel.title for panel in chart.panels) == said
        assert any("w g" in panel.title for panel in chart.panels) != said
        assert ("all weights are 1" in _figure(from_plain(plain, DiagnosisRecord), "fig-layers").title) == said


def test_the_ritz_values_of_all_probes_are_merged(sick: DiagnosisRecord) -> None:
    plain = to_plain(sick)
    plain["spectrum"]["density"].update(nodes=[[5.0, 1.0], [5.0, 2.0]], weights=[[0.25, 0.75], [0.75, 0.25]])
    [table] = _figure(from_plain(plain, DiagnosisRecord), "fig-density").tables
    assert table.rows == (("5", "50 %"), ("2", "12 %"), ("1", "38 %"))
    plain["spectrum"]["density"].update(nodes=[list(range(1, 60))], weights=[[1 / 59] * 59])
    [table] = _figure(from_plain(plain, DiagnosisRecord), "fig-density").tables
    assert len(table.rows) == 20


def test_the_worst_points_show_their_residual_where_the_field_holds_all(sick: DiagnosisRecord) -> None:
    plain = to_plain(sick)
    name, item = next((name, item) for name, item in plain["pointwise"].items() if item["field"] is not None)
    plain["pointwise"] = {name: item}
    item["field"] = {"coordinates": [[0.0, 0.5, 1.0]], "values": {"residual": [1.0, -7.0, 2.0]}, "of": 3}
    item.update(worst=[1], gradient_points=[], gradient_norms=[])
    table = _figure(from_plain(plain, DiagnosisRecord), "fig-residuals").tables[1]
    assert table.head == ("term", "point number", "coordinates", "|residual|")
    assert table.rows == ((name, "1", "(0.5)", "7"),)
    item["field"]["of"] = 4000  # thinned: an index no longer tells the place
    assert _figure(from_plain(plain, DiagnosisRecord), "fig-residuals").tables[1].head == ("term", "point number")


def test_the_key_of_the_grey_bar_is_there_when_a_bar_is(sick: DiagnosisRecord) -> None:
    plain = to_plain(sick)
    del plain["spectrum"]["stability"]
    for share, keys in ((1e-5, 0), (0.9, 1)):
        for term in (*plain["terms"].values(), plain["total"]):
            if term.get("sigma_max"):
                term["sigma_max"]["residual"] = share * abs(float(term["sigma_max"]["value"]))
        assert len(_figure(from_plain(plain, DiagnosisRecord), "fig-sigma-max").keys) == keys
