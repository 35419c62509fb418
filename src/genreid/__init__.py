"""genreid: generative learning for person re-identification (CR-GAN and DG-Net).

The public names are imported when they are first used, so that `import genreid` costs nothing:

    import genreid

    dataset = genreid.load_dataset("Market-1501")
    query = genreid.FeatureSet.load("query.safetensors")
    gallery = genreid.FeatureSet.load("gallery.safetensors")
    ranking = genreid.rank(query, gallery)
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genreid.data.load import load_dataset
    from genreid.evaluation.ranking import rank, rank_from_distances
    from genreid.features.embedder import Embedder
    from genreid.features.feature_set import FeatureSet
    from genreid.generation.renderer import Renderer
    from genreid.generation.swapping import Swapper

__version__ = "0.1.0"

__all__ = [
    "Embedder",
    "FeatureSet",
    "Renderer",
    "Swapper",
    "__version__",
    "load_dataset",
    "rank",
    "rank_from_distances",
]

_HOMES = {
    "Embedder": "genreid.features.embedder",
    "FeatureSet": "genreid.features.feature_set",
    "Renderer": "genreid.generation.renderer",
    "Swapper": "genreid.generation.swapping",
    "load_dataset": "genreid.data.load",
    "rank": "genreid.evaluation.ranking",
    "rank_from_distances": "genreid.evaluation.ranking",
}


def __getattr__(name: str) -> object:
    """Import a public name from its room."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, those not imported yet among them."""
    return sorted({*globals(), *__all__})
