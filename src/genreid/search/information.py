"""What a gallery holds, in a few lines."""

from collections import Counter
from pathlib import Path

from genreid.search.calibration import Calibration
from genreid.search.gallery import Gallery
from genreid.search.pictures import time_text


def describe(gallery: Gallery) -> dict[str, object]:
    """Return counts, cameras, times, and which network made the embeddings.

    Args:
        gallery: Any gallery.
    """
    shards = gallery.shards()
    labels = [item for shard in shards for item in shard.labels]
    times = [item.time for item in labels if item.time is not None]
    cameras = Counter(item.camera or "unknown" for item in labels)
    run = Path(gallery.facts.run)
    calibration = Calibration.of_run(run, gallery.facts.features)
    return {
        "images": len(labels),
        "cameras": dict(sorted(cameras.items())),
        "tracks": len({(item.camera, item.track) for item in labels if item.track}),
        "times": [time_text(min(times)), time_text(max(times))] if times else None,
        "without_time": len(labels) - len(times),
        "run": str(run),
        "run_is_there": run.is_dir(),
        "features": dict(gallery.facts.features),
        "index": gallery.describe_index(len(labels)),
        "bytes": sum(path.stat().st_size for path in gallery.folder.rglob("*") if path.is_file()),
        "calibrated": calibration is not None,
        "unknown_below": None if calibration is None else calibration.threshold_for(len(labels)),
    }
