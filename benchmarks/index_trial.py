"""Whether Milvus Lite may hold a gallery: `python -m benchmarks.index_trial exact|kills|deletion [...]`.

    exact     --rows N      the same first 50 as exact search in NumPy; seconds of a query, of adding; memory
    kills     --times N     SIGKILL while rows are added; every row that was said to be there is
    deletion                are bytes of an embedding left after a row was deleted, and after a drop

Needs the extra `search`. The figures that decided are in docs/search.md.
"""

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genreid.features.feature_set import FeatureSet
from genreid.search.milvus import EMBEDDED, open_index
from genreid.search.nearest import Wanted, search_exactly
from genreid.search.pictures import Labels
from genreid.search.shards import ROWS, Shard

WIDTH, FOUND, QUERIES = 1280, 50, 20


def shards_of(rows: int, first: int = 0, width: int = WIDTH) -> tuple[Shard, ...]:
    """Return files of embeddings by chance, in memory, in parts of the size of a gallery's files."""
    parts = []
    for start in range(first, first + rows, ROWS):
        count = min(ROWS, first + rows - start)
        random_ = np.random.default_rng(start)
        embedding = random_.standard_normal((count, width)).astype(np.float32)
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        nobody = np.full(count, -1, np.int64)
        labels = tuple(Labels(f"{number}.jpg", f"cam{number % 6}") for number in range(start, start + count))
        keys = np.arange(start, start + count, dtype=np.int64)
        parts.append(Shard(Path(f"{start}"), FeatureSet(embedding, nobody, nobody), keys, labels))
    return tuple(parts)


def queries_near(shards: Sequence[Shard]) -> NDArray[np.float32]:
    """Return queries near some rows."""
    near = shards[0].features.embedding[:QUERIES]
    drawn = near + 0.05 * np.random.default_rng(1).standard_normal(near.shape).astype(np.float32)
    unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def exact(folder: Path, rows: int) -> dict[str, object]:
    """Fill an index, ask it, compare."""
    shards = shards_of(rows)
    queries = queries_near(shards)
    before, cpu = time.perf_counter(), time.process_time()
    with open_index(folder / EMBEDDED) as index:
        index.fill(shards)
        filled, filled_cpu = time.perf_counter() - before, time.process_time() - cpu
    before = time.perf_counter()
    with open_index(folder / EMBEDDED) as index:
        index.search(queries[:1], Wanted(top=FOUND))
        opened = time.perf_counter() - before
        seconds, cpu_seconds, hits = [], [], []
        for query in queries:
            before, cpu = time.perf_counter(), time.process_time()
            hits += index.search(query[None], Wanted(top=FOUND))
            seconds.append(time.perf_counter() - before)
            cpu_seconds.append(time.process_time() - cpu)
    before, cpu = time.perf_counter(), time.process_time()
    wanted = [search_exactly(shards, query[None], Wanted(top=FOUND))[0] for query in queries]
    exactly, exactly_cpu = time.perf_counter() - before, time.process_time() - cpu
    same = [
        {hit.key for hit in ours} == {hit.key for hit in theirs}
        for ours, theirs in zip(hits, wanted, strict=True)
    ]
    return {
        "rows": rows,
        "same_first_50": f"{sum(same)} of {len(same)}",
        "rows_a_second": round(rows / filled),
        "rows_a_second_of_processor": round(rows / filled_cpu),
        "open_and_first_query_s": round(opened, 2),
        "query_ms": [round(1000 * value) for value in (np.median(seconds), max(seconds))],
        "query_ms_of_processor": round(1000 * float(np.median(cpu_seconds))),
        "exact_numpy_query_ms": round(1000 * exactly / len(queries)),
        "exact_numpy_query_ms_of_processor": round(1000 * exactly_cpu / len(queries)),
        "disk_mb": round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6),
        "peak_mb_with_the_rows_themselves": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }


def child(folder: Path, first: int) -> None:
    """Add parts for ever, and say after each that it is there."""
    with open_index(folder / EMBEDDED) as index:
        print("open", flush=True)
        while True:
            index.fill(shards_of(200, first))
            first += 200
            print(first, flush=True)


def kills(folder: Path, times: int) -> dict[str, object]:
    """Kill a process that adds rows, again and again; look after each kill."""
    chance, there, problems = random.Random(0), 0, []  # noqa: S311
    for _ in range(times):
        words = [
            sys.executable,
            "-m",
            "benchmarks.index_trial",
            "child",
            "--folder",
            str(folder),
            "--rows",
            str(there),
        ]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            time.sleep(chance.uniform(0.1, 2.0))
            process.send_signal(signal.SIGKILL)
            said = [int(line) for line in process.stdout.read().split() if line.isdecimal()]
        there = max([there, *said])
        with open_index(folder / EMBEDDED) as index:
            count = index.count()
            if count < there:
                problems.append(f"{there} rows were said to be there, {count} are")
            there = count // 200 * 200  # a part that was cut off is put in again
    shards = shards_of(there)
    with open_index(folder / EMBEDDED) as index:
        index.fill(shards)
        count = index.count()
        hits = index.search(queries_near(shards), Wanted(top=FOUND))
    wanted = search_exactly(shards, queries_near(shards), Wanted(top=FOUND))
    same = all({hit.key for hit in a} == {hit.key for hit in b} for a, b in zip(hits, wanted, strict=True))
    return {"kills": times, "rows": there, "rows_counted": count, "same_first_50": same, "problems": problems}


def deletion(folder: Path) -> dict[str, object]:
    """Look for the numbers of a row in all files: as they are, after deleting it, after dropping all."""
    shards = shards_of(1000)
    row = shards[0].features.embedding[7].tobytes()
    found = {}
    with open_index(folder / EMBEDDED) as index:
        index.fill(shards)
        found["filled"] = _holding(folder, row)
        index.client.delete(index.collection, ids=[7])
        index.client.flush(index.collection)
        index.client.compact(index.collection)
        found["deleted, flushed, compacted"] = _holding(folder, row)
        index.drop()
        found["dropped"] = _holding(folder, row)
    return {"files with the first 8 numbers of the row": found}


def _holding(folder: Path, row: bytes) -> list[str]:
    """Return the files that hold the row's first numbers."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.suffix or path.name for path in files if row[:32] in path.read_bytes()]


def main(argv: Sequence[str] | None = None) -> int:
    """Try one thing and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index_trial", description=__doc__)
    parser.add_argument("what", choices=("exact", "kills", "deletion", "child"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(argv)
    if options.what == "child":
        child(options.folder, options.rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            "exact": lambda: exact(folder, options.rows),
            "kills": lambda: kills(folder, options.times),
            "deletion": lambda: deletion(folder),
        }[options.what]()
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
