"""A public name that goes, or comes, does so on purpose."""

import json

from tests.guards.api_surface import SURFACE_FILE, public_surface


def names(surface: dict[str, list[str]]) -> set[str]:
    """Return `module.name` of every public name."""
    return {f"{module}.{name}" for module, found in surface.items() for name in found}


def test_no_public_name_is_lost() -> None:
    lost = names(json.loads(SURFACE_FILE.read_text(encoding="utf-8"))) - names(public_surface())
    assert not lost, (
        f"public names are gone: {sorted(lost)}. If somebody may use them, keep them; if it is meant, "
        "say so in CHANGELOG.md under Removed and type `make api`."
    )


def test_new_public_names_are_meant() -> None:
    new = names(public_surface()) - names(json.loads(SURFACE_FILE.read_text(encoding="utf-8")))
    assert not new, (
        f"new public names: {sorted(new)}. Begin a name with _ if only its own file uses it; "
        "else type `make api` and commit tests/guards/api_surface.json."
    )
