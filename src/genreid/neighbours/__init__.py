"""Embeddings -> nearest neighbours -> k-reciprocal encodings -> sparse Jaccard distances.

The common ground of clustering (`training/`) and re-ranking (`evaluation/`). It knows arrays only.
"""
