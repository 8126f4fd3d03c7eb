"""Page, picture and README of hand-made results; and the committed README is that of the committed numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pinndiag_gallery.page import drawn, overhead, page
from pinndiag_gallery.pictures import picture
from pinndiag_gallery.readme import readme
from pinndiag_gallery.results import Results, errors
from pinndiag_gallery.store import known, place, write
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_gallery.verdicts import summary
from pinndiag_gallery.writing import write_readme, write_story
from pinndiag_reports._parts import Figure
from tests.gallery.results_by_hand import run, trained

GALLERY = Path(__file__).parents[2] / "reports" / "gallery"


def tale() -> Story:
    return Story(
        name="tiny",
        title="A tiny | story",
        source="a paper",
        setting="Small.",
        arms=(
            Arm("plain", "as it is", "regression", 12),
            Arm("dn", "DN", "regression", 12, scheme="dynamic_norm"),
            Arm("sa", "SA", "regression", 12, scheme="sa"),
            Arm("missing", "never trained", "regression", 12),
        ),
        claims=(
            Claim(
                "dn | is <better>", "table 1", "1.1e-3", errors("plain", "dn"), "a rule", lambda ours: False, "reason"
            ),
            Claim("open", "table 2", "1.2e-3", errors("missing"), "another rule", lambda ours: True),
        ),
        groups=(
            Group("all", "All arms", ("plain", "dn", "sa"), ("outcome", "solution", "balance", "over-time", "points")),
            Group("again", "Once more", ("plain", "dn"), ("trajectories", "curvature"), "A lead."),
            Group("none", "Nothing", ("missing",), ("outcome",)),
        ),
        picture=("all", "all-fig-courses"),
    )


def test_the_page_shows_claims_runs_and_figures() -> None:
    story, found = tale(), trained()
    told = summary(story, found, full=False)
    text = page(story, told, drawn(story, found))
    assert "dn | is &lt;better&gt;" in text
    for words in ("not reproduced", "reason", "another rule", "1.1e-3", "python -m pinndiag_gallery tiny", "a machine"):
        assert words in text
    assert "Runs: 12 steps, 1 seed." in text
    assert ">1.1e-3</span>" in text  # not broken at its minus
    for anchor in ("all-fig-seeds", "all-fig-histograms", "all-fig-courses", "all-fig-masks", "again-fig-fronts"):
        assert f'id="{anchor}"' in text
    assert "no arm&#39;s curvature was measured" in text
    assert "no arm of it was trained" in text
    assert "http:" not in text.replace("http://www.w3.org", "")
    assert len(text) < 500_000


def test_anchors_are_unique() -> None:
    story, found = tale(), trained()
    text = page(story, summary(story, found, full=False), drawn(story, found))
    anchors = [part.split('"')[0] for part in text.split(' id="')[1:]]
    named = [anchor for anchor in anchors if "fig-" in anchor]
    assert len(named) == len(set(named))


def test_a_picture_is_a_file_of_its_own() -> None:
    (section,) = (s for s in dict(drawn(tale(), trained()))["all"] if s.id == "all-over-time")
    figure = section.parts[0]
    assert isinstance(figure, Figure)
    text = picture(figure)
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    words = [item.text for item in root.iter() if item.tag.endswith("text")]
    assert {"as it is", "DN", "SA", "Relative L2 error"} <= set(words)
    assert "prefers-color-scheme:dark" in text
    panels = [item for item in root if item.tag.endswith("svg")]
    across, down = float(root.get("width", 0)), float(root.get("height", 0))
    for item in panels:
        assert float(item.get("x", 0)) + float(item.get("width", 0)) <= across
        assert float(item.get("y", 0)) + float(item.get("height", 0)) <= down


def test_a_picture_of_maps_is_sound_xml() -> None:
    (section,) = (s for s in dict(drawn(tale(), trained()))["all"] if s.id == "all-solution")
    figure = section.parts[0]
    assert isinstance(figure, Figure)
    images = [item for item in ElementTree.fromstring(picture(figure)).iter() if item.tag.endswith("image")]
    assert len(images) >= 4  # the solution, the start and two arms at least, some with a scale


def test_the_readme_has_a_row_a_claim_and_what_is_missing() -> None:
    told = summary(tale(), trained(), full=False)
    text = readme([told], {"tiny": "tiny.svg"}, {"other": "python -m pinndiag_gallery other"})
    rows = [line for line in text.splitlines() if line.startswith("| [tiny](tiny.html)")]
    assert len(rows) == 2
    assert "dn \\| is &lt;better&gt; (table 1)" in rows[0]
    assert "✖ not reproduced" in rows[0]
    assert "reason" in rows[0]
    assert "not run" in rows[1]
    assert "0 of 2 claims reproduced, 1 not, 1 not run." in text
    assert "- other: `python -m pinndiag_gallery other`" in text
    assert "![A tiny \\| story](tiny.svg)" in text


def test_files_are_written_and_the_readme_follows_them(tmp_path: Path) -> None:
    write_story(tale(), trained(), tmp_path, full=False)
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.html", "tiny.json", "tiny.svg"}
    write_readme(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "- poisson_2d: `python -m pinndiag_gallery poisson_2d`" in text  # no story of this gallery was written there


def test_runs_are_found_again(tmp_path: Path) -> None:
    from pinndiag_gallery.results import Run

    arm = Arm("a", "A", "regression", 12)
    path = place(tmp_path, arm, 0)
    assert known(path, Run) is None
    write(path, run(0.25, losses={"pde": float("inf")}))
    assert known(path, Run) == run(0.25, losses={"pde": float("inf")})
    same = Arm("b", "another name", "regression", 12, seeds=9)
    assert place(tmp_path, same, 0) == path
    others = [place(tmp_path, arm, 1), place(tmp_path, Arm("a", "A", "regression", 13), 0)]
    others.append(place(tmp_path, Arm("a", "A", "regression", 12, {"k": 5.0}), 0))
    assert len({path, *others}) == 4


@pytest.mark.parametrize(("share", "words"), [(0.213, "+21 %"), (-0.031, "-3.1 %"), (None, "–")])
def test_overheads_carry_their_sign(share: float | None, words: str) -> None:
    assert overhead(share) == words


def test_nothing_in_the_committed_readme_was_typed_in(tmp_path: Path) -> None:
    committed = sorted(GALLERY.glob("*.json"))
    assert committed
    for path in [*committed, *GALLERY.glob("*.svg")]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_readme(tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == (GALLERY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(GALLERY.glob("*.svg")), ids=lambda path: path.name)
def test_committed_pictures_are_sound_xml(path: Path) -> None:
    ElementTree.fromstring(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(GALLERY.glob("*.html")), ids=lambda path: path.name)
def test_committed_pages_are_small_and_ask_for_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 500_000
    assert 'src="http' not in text
    assert (GALLERY / f"{path.stem}.json").exists()


def test_an_empty_story_is_no_page() -> None:
    assert summary(tale(), Results({}), full=False).arms == []
