"""What a run folder may hold: files and folders of its own, whoever made it."""

import os
from pathlib import Path


def expect_own_files(run: Path) -> None:
    """Refuse a run folder with a link that leads out of it, or with what is neither a file nor a folder.

    Through such a link files of somebody else would be shown as the run's, written to, or deleted.

    Args:
        run: The run folder; it need not exist, and may be a link itself.

    Raises:
        ValueError: If there is such a link; it is named.
    """
    home, waiting = Path(os.path.realpath(run)), [run]
    while waiting:
        try:
            inside = list(os.scandir(waiting.pop()))
        except OSError:  # what cannot be read leads nowhere; who needs it will say so
            continue
        for entry in inside:
            if entry.is_symlink():
                target = Path(os.path.realpath(entry))
                if not target.is_relative_to(home):
                    msg = f"{entry.path} is a link out of the run, to {target}; put a copy in its place"
                    raise ValueError(msg)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry))
            elif not entry.is_file(follow_symlinks=False):
                msg = f"{entry.path} is neither a file nor a folder; delete it"
                raise ValueError(msg)
