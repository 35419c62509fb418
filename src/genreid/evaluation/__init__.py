"""FeatureSets -> metrics: CMC, mAP in both forms, mINP (protocol and tie rule: `ranking`)."""
