"""Batch -> updated networks -> checkpoint."""
