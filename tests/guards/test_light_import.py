"""`import genreid` and `genreid --help` must not wait for torch."""

import json
import subprocess
import sys

HEAVY = {
    "torch",
    "torchvision",
    "timm",
    "numba",
    "numpy",
    "PIL",
    "scipy",
    "sklearn",
    "faiss",
    "h5py",
    "jsonargparse",
    "rich",
    "yaml",
}


def test_package_and_dispatcher_import_nothing_heavy() -> None:
    code = "import json, sys, genreid, genreid.cli.main; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = HEAVY & {name.split(".")[0] for name in json.loads(answer.stdout)}
    assert not loaded, (
        f"importing genreid and genreid.cli.main imports {sorted(loaded)}. Import it inside the function "
        "that needs it, or, for a public name, through _HOMES in src/genreid/__init__.py."
    )
