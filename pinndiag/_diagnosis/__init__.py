"""Judging records: rules, the diagnosis as a document, two of them compared."""
