"""Checkpoint + images -> `FeatureSet`."""
