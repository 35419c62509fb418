"""What a folder of generated images holds, by its manifest."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from genreid.data.decode import DECODE_ERRORS, Kind, open_image
from genreid.data.mask_paths import mask_path
from genreid.data.sample import Sample
from genreid.generation.dataset import MANIFEST, SETTINGS, relative_name


class RealImages(NamedTuple):
    """Where the real images of a data set are now.

    Attributes:
        root: Its folder.
        paths: Name in a manifest -> the file.
    """

    root: Path
    paths: Mapping[str, Path]

    @classmethod
    def of(cls, samples: Sequence[Sample], root: Path) -> Self:
        """Return the images of a data set by their names.

        Args:
            samples: The images.
            root: Its folder.
        """
        return cls(root, {relative_name(sample, root): sample.path for sample in samples})


@dataclass(frozen=True)
class GeneratedImage:
    """A generated image, and the two real ones that it is made of.

    Attributes:
        path: The image.
        giver: The real image of the person whom it shows: DG-Net's appearance, CR-GAN's source image.
        context: The real image whose background it shows: DG-Net's structure, CR-GAN's target image.
    """

    path: Path
    giver: Sample
    context: Path


@dataclass(frozen=True)
class MaskFolders:
    """Where person masks of the real images are; None: there are none.

    Attributes:
        givers: Of the images that give the person.
        contexts: Of the images that give the background.
    """

    givers: Path | None = None
    contexts: Path | None = None


@dataclass(frozen=True)
class GeneratedSet:
    """A folder of generated images.

    Attributes:
        images: In the order of the manifest.
        size: Height and width of each.
        kind: How the real images were resized.
        givers: The data set of the givers.
        contexts: The data set of the contexts.
        masks: The folders of masks that the manifest names, where they are there.
        stays: Whether the person stands where he stands in his own image (CR-GAN), not where another does.
    """

    images: tuple[GeneratedImage, ...]
    size: tuple[int, int]
    kind: Kind
    givers: RealImages
    contexts: RealImages
    masks: MaskFolders
    stays: bool

    def background_masks(self, masks: MaskFolders) -> list[list[Path]]:
        """Return the person masks outside of which an image shows the context's background.

        Args:
            masks: Where they are.

        Returns:
            One list or two, of a file for each image; empty: a folder is missing.
        """
        lists = []
        if masks.contexts is not None:
            lists.append(
                [mask_path(masks.contexts, self.contexts.root, item.context) for item in self.images]
            )
        if self.stays and masks.givers is not None:
            lists.append([mask_path(masks.givers, self.givers.root, item.giver.path) for item in self.images])
        return lists if len(lists) == 1 + self.stays else []


def read_settings(folder: Path) -> Mapping[str, Any]:
    """Return what a folder of generated images was made with.

    Args:
        folder: The folder.

    Raises:
        ValueError: If it holds no such record, or one that is damaged.
    """
    note = folder / SETTINGS
    try:
        settings = json.loads(note.read_text(encoding="utf-8"))
        int(settings["height"]), int(settings["width"]), Path(settings["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from error
    assert isinstance(settings, dict)
    return settings


def read_generated(folder: Path, givers: RealImages, contexts: RealImages) -> GeneratedSet:
    """Read the manifest of a folder that `genreid generate --dataset` wrote, and look at every file's header.

    Args:
        folder: The folder.
        givers: The data set of the images that give the person.
        contexts: The data set of the images that give the context; DG-Net: the same.

    Raises:
        ValueError: If there is no manifest, it is damaged, images are missing, grey, or of other sizes.
    """
    settings = read_settings(folder)
    size = int(settings["height"]), int(settings["width"])
    try:
        with (folder / MANIFEST).open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = list(csv.DictReader(file))
        images = tuple(_image(folder, line, (givers, contexts)) for line in lines)
    except (OSError, csv.Error, KeyError) as error:
        raise _unreadable(folder, error) from error
    _expect_pictures(folder, [item.path for item in images], size)
    kind: Kind = "image" if settings.get("kind") == "image" else "image_bicubic"
    return GeneratedSet(images, size, kind, givers, contexts, _mask_folders(settings), "renderer" in settings)


def _unreadable(folder: Path, error: Exception) -> ValueError:
    """Say that a folder holds no generated images, and what makes some."""
    return ValueError(
        f"{folder} holds no generated data set that can be read ({type(error).__name__}: {error}); "
        f"`genreid generate RUN --dataset DIR` writes one, with {SETTINGS} and {MANIFEST}"
    )


def _image(folder: Path, line: Mapping[str, str], real: tuple[RealImages, RealImages]) -> GeneratedImage:
    """Return what a line of the manifest says."""
    giver, context = ("source", "target") if "source" in line else ("appearance", "structure")
    person, camera = int(line[f"{giver}_pid"]), int(line[f"{giver}_camid"])
    path = _found(real[0], line[giver], "--source")
    return GeneratedImage(
        folder / line["file"], Sample(path, person, camera), _found(real[1], line[context], "--data")
    )


def _found(real: RealImages, name: str, option: str) -> Path:
    """Return where a real image is."""
    if name not in real.paths:
        msg = (
            f"{name}, which the manifest names, is no image of {real.root}; give {option} DIR, the data set "
            "that the images were generated from"
        )
        raise ValueError(msg)
    return real.paths[name]


def _mask_folders(settings: Mapping[str, Any]) -> MaskFolders:
    """Return the folders of masks that there are of those that a manifest names."""
    named = settings.get("masks", {})
    found = (Path(named[name]) if name in named else None for name in ("source", "target"))
    return MaskFolders(*(path if path is not None and path.is_dir() else None for path in found))


def _expect_pictures(folder: Path, paths: Sequence[Path], size: tuple[int, int]) -> None:
    """Refuse files that are no RGB pictures of one size."""
    if not paths:
        msg = f"{folder} holds no generated image yet; type the same `genreid generate` command again"
        raise ValueError(msg)
    for path in paths:
        try:
            with open_image(path) as image:
                mode, found = image.mode, (image.height, image.width)
        except DECODE_ERRORS as error:
            msg = f"{path} cannot be read ({error}); delete it and generate it again with the same command"
            raise ValueError(msg) from error
        if mode != "RGB" or found != size:
            what = f"{found[0]} x {found[1]}" + (" and grey, or with a palette" if mode != "RGB" else "")
            msg = (
                f"{path} is {what}, expected {size[0]} x {size[1]} in RGB as {SETTINGS} says; delete "
                "it and generate it again with the same command"
            )
            raise ValueError(msg)
