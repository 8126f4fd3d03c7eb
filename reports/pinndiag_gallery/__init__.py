"""The gallery: published effects trained again, with the published number beside ours.

    python -m pinndiag_gallery poisson_2d           # trains what is not cached, writes reports/gallery/poisson_2d.html

A story is plain data: the arms that are trained, and the claims that are looked at. One runner trains, one writer makes
the page out of the product's own figures, one makes the README of all stories. Nothing here is part of the wheel.
"""
