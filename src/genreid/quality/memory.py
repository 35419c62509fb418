"""Figures that were computed before: Ctrl-C loses none, and the same command does not compute them again."""

import hashlib
import json
from collections.abc import Callable, Sequence

from genreid.data.cache import cache_root
from genreid.data.whole_file import write_whole

_VERSION = 1
"""Grows when a figure is computed in another way."""


def remembered(name: str, made_of: Sequence[str], compute: Callable[[], float]) -> float:
    """Return a figure from the cache, or compute it and keep it there.

    Args:
        name: The figure.
        made_of: Everything that it depends on: digests of images and networks.
        compute: Computes it.
    """
    key = hashlib.sha256("\n".join([str(_VERSION), name, *made_of]).encode()).hexdigest()
    path = cache_root() / "quality" / f"{key}.json"
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["value"])
    except (OSError, ValueError, KeyError, TypeError):
        value = compute()
        write_whole(path, json.dumps({"figure": name, "value": value}) + "\n")
        return value
