"""Whole jobs that need several rooms."""
