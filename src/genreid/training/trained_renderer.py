"""What makes a run's renderings, rebuilt from its folder."""

from dataclasses import dataclass
from pathlib import Path

from genreid.data.decode import Kind
from genreid.models.crgan import Generator, GeneratorConfig, PairRenderer
from genreid.training.adapt_config import AdaptConfig
from genreid.training.checkpoint import load_newest
from genreid.training.crgan_stages import AVERAGE, RENDERERS, make_renderer
from genreid.training.run import Run
from genreid.training.run_folder import read_config, read_job
from genreid.training.trained_networks import config_of, kind_of, ready, size_of, warn_unless_finished


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
    if name not in RENDERERS:
        msg = f"{run / 'job.json'}: renderer must be one of {', '.join(RENDERERS)}, got {name!r}"
        raise ValueError(msg)
    if not RENDERERS[name].kind.is_trained:
        config = config_of(AdaptConfig(), read_config(run), source=str(Run(run).config))
        return LoadedRenderer(make_renderer(name, config), config.image.size, config.image.kind)
    checkpoint = load_newest(Run(run).stage("rendering"))
    if checkpoint is None:
        msg = f"{run} holds no generator yet; stage II of `genreid adapt --out {run}` makes it"
        raise ValueError(msg)
    warn_unless_finished(checkpoint)
    size = size_of(checkpoint)
    generator = Generator(config_of(GeneratorConfig(), checkpoint.state.facts["generator"]), *size)
    averaged = any(key.startswith(f"{AVERAGE}.") for key in checkpoint.networks)
    generator.load_state_dict(checkpoint.network(AVERAGE if averaged else "generator"))
    return LoadedRenderer(ready(generator), size, kind_of(checkpoint))
