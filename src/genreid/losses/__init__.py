"""Losses: tensors -> scalar; one loss, one file, one equation."""
