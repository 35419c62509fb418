"""What makes a run's renderings: what there is to choose, and how it is rebuilt from a run folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from genreid.data.decode import Kind
from genreid.data.image_config import ImageConfig
from genreid.models.crgan import Generator, GeneratorConfig, PairRenderer
from genreid.models.renderers import ColourTransfer, Composite, CutAndPaste, Untouched
from genreid.models.spgan import Translator, TranslatorConfig
from genreid.runs.checkpoint import load_newest
from genreid.runs.config_file import config_of
from genreid.runs.rebuild import rebuilt
from genreid.runs.run import Run
from genreid.runs.run_folder import read_config, read_job
from genreid.runs.trained_networks import kind_of, ready, size_of, warn_unless_finished

RendererName = Literal["crgan", "crgan_single", "spgan", "cut_paste", "colour", "composite", "none"]
"""What makes stage III's images: the generator, the generator without dual condition, SPGAN's, pasting,
colours moved, both with the target's person painted over, or nobody."""
AVERAGE = "average"
"""Name of the averaged generator in stage II's checkpoints: where it is, it renders."""


@dataclass(frozen=True)
class RendererChoice:
    """A renderer to choose.

    Attributes:
        kind: Its class, which says what it needs.
        make: Makes it from sections of the settings, as config.yaml and checkpoints hold them, and from the
            images' height and width; a generator without its weights.
        decides: What the choice decides of all settings, section by section.
        stage: Name of the stage that trains it, where its checkpoints are; empty: none does.
        train: `MODULE:NAME` of what makes that stage ready: takes `Workbench`, `Domains`, D_id, and D_cam or
            None; the stage holds the renderer as `generator`, or as `AVERAGE`.
        needs_camera: Whether D_cam guides that stage.
    """

    kind: type[PairRenderer]
    make: Callable[[Mapping[str, Any], tuple[int, int]], PairRenderer]
    decides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stage: str = ""
    train: str = ""
    needs_camera: bool = False


def _generator(settings: Mapping[str, Any], size: tuple[int, int]) -> PairRenderer:
    """Return a generator without its weights."""
    return Generator(config_of(GeneratorConfig(), settings["generator"]), *size)


def _translator(settings: Mapping[str, Any], size: tuple[int, int]) -> PairRenderer:
    """Return SPGAN's generator from source to target without its weights."""
    return Translator(config_of(TranslatorConfig(), settings["spgan"]["generator"]), *size)


def _cut_and_paste(settings: Mapping[str, Any], _size: tuple[int, int]) -> PairRenderer:
    """Return what pastes; runs of older versions did not erase."""
    return CutAndPaste(erase_target=settings["stage3"].get("erase_target", False))


_CRGAN = RendererChoice(
    Generator,
    _generator,
    stage="rendering",
    train="genreid.training.crgan_stages:rendering_stage",
    needs_camera=True,
)
RENDERERS: Mapping[RendererName, RendererChoice] = {
    "crgan": _CRGAN,
    "crgan_single": replace(_CRGAN, decides={"generator": {"dual_condition": False}}),
    "spgan": RendererChoice(
        Translator, _translator, stage="spgan", train="genreid.training.spgan_stage:spgan_stage"
    ),
    "cut_paste": RendererChoice(CutAndPaste, _cut_and_paste),
    "colour": RendererChoice(ColourTransfer, lambda *_: ColourTransfer()),
    "composite": RendererChoice(Composite, lambda *_: Composite()),
    "none": RendererChoice(Untouched, lambda *_: Untouched()),
}
"""What makes stage III's images, by name."""


@dataclass(frozen=True)
class LoadedRenderer:
    """A renderer out of a run folder, in evaluation mode.

    Attributes:
        network: The renderer.
        size: Height and width of the images.
        kind: How they are resized.
    """

    network: PairRenderer
    size: tuple[int, int]
    kind: Kind


def load_renderer(run: Path) -> LoadedRenderer:
    """Load what made stage III's images from a run folder.

    Args:
        run: The run folder of `genreid adapt`.

    Raises:
        ValueError: If the run has no renderer yet.
    """
    name = read_job(run).get("renderer", "crgan")
    if name not in list(RENDERERS):  # a list, since a stranger's name may be anything
        msg = f"{run / 'job.json'}: renderer must be one of {', '.join(RENDERERS)}, got {name!r}"
        raise ValueError(msg)
    choice = RENDERERS[name]
    if not choice.stage:
        settings = read_config(run)
        for section in ("image", "stage3"):
            if not isinstance(settings.setdefault(section, {}), Mapping):
                msg = f"{Run(run).config}: expected a section {section!r}, got {settings[section]!r}"
                raise ValueError(msg)
        image = config_of(ImageConfig(), settings["image"], source=str(Run(run).config))
        return LoadedRenderer(choice.make(settings, image.size), image.size, image.kind)
    checkpoint = load_newest(Run(run).stage(choice.stage))
    if checkpoint is None:
        msg = f"{run} holds no generator yet; stage II of `genreid adapt --out {run}` makes it"
        raise ValueError(msg)
    warn_unless_finished(checkpoint)
    size = size_of(checkpoint)
    averaged = any(key.startswith(f"{AVERAGE}.") for key in checkpoint.networks)
    network = AVERAGE if averaged else "generator"
    generator = rebuilt(checkpoint, network, lambda: choice.make(checkpoint.state.facts, size))
    return LoadedRenderer(ready(generator), size, kind_of(checkpoint))
