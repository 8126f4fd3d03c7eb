"""Figures of vectors: norms, moments, histograms; and the tables of them that a record is read from."""
