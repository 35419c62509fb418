"""Rows of the papers' tables: trained, ranked, and set beside the papers' figures."""
