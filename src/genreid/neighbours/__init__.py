"""Embeddings -> nearest neighbours -> k-reciprocal encodings -> sparse Jaccard distances.

The common ground of clustering (`training/`) and re-ranking (`evaluation/`). It knows arrays only.
"""

import logging

# faiss tells at INFO which of its builds it tries; users did not ask
logging.getLogger("faiss.loader").setLevel(logging.WARNING)
