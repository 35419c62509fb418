"""FeatureSets -> metrics."""
