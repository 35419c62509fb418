"""Runs and their evaluations -> one self-contained HTML page."""
