"""One card a method: what the other rooms have to know of it, and where its parts are.

Commands, resuming, evaluation, reports and rows read the cards. So a new method is a card here, and files of
its own. Nothing is imported for a card: what it names is `MODULE:NAME`, and `load` fetches it when needed.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Network = Literal["", "pretrained", "adapted", "appearance"]
"""What a stage leaves to be evaluated: nothing, what `--stage` calls so, or DG-Net's E_a."""


@dataclass(frozen=True, kw_only=True)
class StageCard:
    """One stage of training."""

    name: str
    """Name of its folder in RUN/checkpoints, and of its lines in metrics.jsonl."""
    title: str
    """Heading in the report."""
    text: str
    """One or two sentences: what happens in it."""
    terms: Mapping[str, str] = field(default_factory=dict)
    """Loss term -> what it is; those of `ANY_STAGE` need not be said again."""
    settings: tuple[str, ...] = ()
    """First parts of the names of settings that may change until it has a checkpoint."""
    network: Network = ""
    """Which network it leaves."""
    uses: str = ""
    """What it knows of the target beyond unlabelled images: it is said wherever a figure of it stands."""


class Parts(NamedTuple):
    """What a command imports to train a method.

    Attributes:
        job: Dataclass of the command's own options.
        config: Dataclass of all settings.
        recipes: Recipe name -> function that returns a config.
        train: Takes job, `RunOptions` and config, returns the `Outcome`.
    """

    job: type[Any]
    config: type[Any]
    recipes: Mapping[str, Callable[[], Any]]
    train: Callable[[Any, Any, Any], Any]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method's card."""

    command: str
    """What is typed after `genreid`, and what a run folder remembers."""
    title: str
    """What a run of it is, in the report."""
    purpose: str
    """What it does, in the help."""
    stages: tuple[StageCard, ...]
    """In the order of training; the last network that they leave is the one that is evaluated."""
    free: tuple[str, ...] = ()
    """First parts of the names of settings that may change at any time: no weight depends on them."""
    job: str
    """Dataclass of the command's own options."""
    config: str
    """Dataclass of all settings."""
    recipes: str
    """Recipes by name."""
    default_recipe: str
    """The recipe where none is named."""
    train: str
    """What trains it: takes job, `RunOptions`, config."""
    then: str = ""
    """How it goes on with an adapted network (`adapt --then NAME`), a `Following`; its settings are the
    section NAME of `AdaptConfig`. Nothing: it does not."""
    modules: tuple[str, ...] = ()
    """Where its own modules begin: they play no part in the figures of other methods."""
    paper: str = ""
    """Name of the paper whose rows `genreid reproduce` makes with it; nothing: it has none of its own."""
    rows: str = ""
    """The paper's rows, a `Paper`."""

    @property
    def name(self) -> str:
        """The last word of the command."""
        return self.command.rsplit(maxsplit=1)[-1]

    @property
    def evaluated(self) -> tuple[str, ...]:
        """Names of the stages that leave the network which is evaluated, the last first."""
        last = [stage.network for stage in self.stages if stage.network][-1]
        return tuple(stage.name for stage in reversed(self.stages) if stage.network == last)

    @property
    def parts(self) -> Parts:
        """What its command needs, imported."""
        return Parts(load(self.job), load(self.config), load(self.recipes), load(self.train))


def load(name: str) -> Any:  # noqa: ANN401 - whatever a card names
    """Import what a card names.

    Args:
        name: `MODULE:NAME`.
    """
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)


def module_of(name: str) -> str:
    """Return the module of what a card names.

    Args:
        name: `MODULE:NAME`.
    """
    return name.split(":", maxsplit=1)[0]


ANY_STAGE = {
    "identity": "Cross-entropy of the people's names; lower is better.",
    "accuracy": "Share of the batch that is classified rightly; higher is better.",
}
"""Loss term of any stage -> what it is."""
TAUDL_USES = "which images of one camera show one person (no label across cameras)"
"""What TAUDL knows of the target beyond unlabelled images."""
_BOTH_NETWORKS = {
    "adversarial": "What the generator pays when its pictures look made up.",
    "itself": "Reconstruction from the image's own codes (eq. 1).",
    "same_person": "Reconstruction with the appearance of another image of the person (eq. 2).",
    "generated_identity": "Do generated images show who gave the appearance? (eq. 6)",
    "positive_identity": "Cross-entropy on another image of each person.",
    "fine_identity": "Cross-entropy of the fine head on real images.",
    "discriminator": "What D pays for mistaking real and generated (eq. 7).",
    "gradient_penalty": "R1: how steep D is at real images.",
    "appearance_code": "Do appearance codes come back? (eq. 4)",
    "structure_code": "Do structure codes come back? (eq. 5)",
    "cycle": "Swapping twice should give the image back.",
    "primary": "Distance to the teacher's labels on generated images (eq. 8).",
    "fine": "Do generated images still show who gave the structure? (eq. 9)",
}
"""Loss terms of DG-Net, whether its generator learns or is finished."""
_OF_DGNET = ("appearance", "structure", "decoder", "discriminator", "training")

_IDENTITY = StageCard(
    name="identity",
    title="Identity network",
    text="A re-id network learns to name the labelled people.",
    network="pretrained",
)
_BASELINE = Method(
    command="train baseline",
    title="Baseline: classification of labelled people",
    purpose="a backbone that classifies the people of the training set",
    stages=(_IDENTITY,),
    job="genreid.pipelines.train_baseline:BaselineJob",
    config="genreid.training.baseline_config:BaselineConfig",
    recipes="genreid.recipes.baseline:RECIPES",
    default_recipe="crgan_paper",
    train="genreid.pipelines.train_baseline:train_baseline",
)
_ADAPT = Method(
    command="adapt",
    title="CR-GAN: adaptation to an unlabelled target",
    purpose="adapt a network from a labelled source to an unlabelled target (CR-GAN)",
    stages=(
        _IDENTITY,
        StageCard(
            name="camera",
            title="Camera network",
            text="D_cam learns which of the target's cameras took a picture.",
            terms={"camera": "Cross-entropy of the cameras; lower is better."},
            settings=("camera", "stage1_camera"),
        ),
        StageCard(
            name="rendering",
            title="Generator",
            text="G learns to render people into the target's contexts, against the discriminator D_d.",
            terms={
                "domain": "What D_d pays for mistaking real and rendered (eq. 4). Neither side should win.",
                "identity": "Does the fixed re-id network still know the rendered person? Lower is better.",
                "camera": "Does the rendering look like the target's camera? Lower is better.",
                "context": "Distance to the person inside the mask, to the target outside (eq. 6).",
                "context_mask": "Mean of X_C: the share of the picture that is taken from the context.",
            },
            settings=("generator", "domain", "stage2"),
        ),
        StageCard(
            name="spgan",
            title="SPGAN",
            text="Two generators learn to make images of one domain look as those of the other, and back.",
            terms={
                "adversarial": "What both generators pay when their images look made up.",
                "cycle": "How far an image is from itself after the way there and back.",
                "identity_mapping": "How much a generator changes an image that needs no change.",
                "contrast": "For SiaNet, are translations near their image, and far from the other domain?",
                "target_domain": "What D_T pays for mistaking real and translated. Neither side should win.",
                "source_domain": "The same of D_S.",
                "siamese": "What SiaNet pays: translations near their image, the two domains apart.",
            },
            settings=("spgan",),
        ),
        StageCard(
            name="finetuning",
            title="Fine-tuning",
            text="The re-id network goes on learning, from rendered people.",
            settings=("stage3",),
            network="adapted",
        ),
    ),
    free=("diagnose", "parser_model"),
    job="genreid.pipelines.adapt:AdaptJob",
    config="genreid.training.adapt_config:AdaptConfig",
    recipes="genreid.recipes.crgan:RECIPES",
    default_recipe="paper",
    train="genreid.pipelines.adapt:adapt",
    modules=(
        "genreid.models.crgan",
        "genreid.models.renderers",
        "genreid.models.spgan",
        "genreid.pipelines.adapt",
        "genreid.training.adapt_config",
        "genreid.training.camera_step",
        "genreid.training.crgan_stages",
        "genreid.training.crgan_step",
        "genreid.training.image_pool",
        "genreid.training.spgan_config",
        "genreid.training.spgan_stage",
        "genreid.training.spgan_step",
    ),
    paper="crgan",
    rows="genreid.reproduce.crgan_rows:PAPER",
)
_DGNET = Method(
    command="train dgnet",
    title="DG-Net: recognition and generation together",
    purpose="DG-Net: learns to tell people apart and to draw them in each other's clothes",
    stages=(
        _IDENTITY,
        StageCard(
            name="dgnet",
            title="DG-Net",
            text="Two encoders, a decoder and a discriminator learn to recognise and to generate together.",
            terms={**_BOTH_NETWORKS, "identity": "Cross-entropy of the primary head on real images (eq. 3)."},
            settings=_OF_DGNET,
            network="appearance",
        ),
        StageCard(
            name="offline",
            title="Offline feeding",
            text="A new appearance encoder learns from real images and those of the finished generator.",
            terms=_BOTH_NETWORKS,
            settings=_OF_DGNET,
            network="appearance",
        ),
    ),
    job="genreid.pipelines.train_dgnet:DgnetJob",
    config="genreid.training.dgnet_config:DgnetConfig",
    recipes="genreid.recipes.dgnet:RECIPES",
    default_recipe="published",
    train="genreid.pipelines.train_dgnet:train_dgnet",
    modules=(
        "genreid.models.appearance",
        "genreid.models.dgnet",
        "genreid.pipelines.train_dgnet",
        "genreid.training.dgnet_config",
        "genreid.training.dgnet_stage",
        "genreid.training.dgnet_step",
    ),
    paper="dgnet",
    rows="genreid.reproduce.dgnet_rows:PAPER",
)
_CLUSTER = Method(
    command="train cluster",
    title="Clustering: learning from unlabelled images",
    purpose="Cluster Contrast: learns from unlabelled images, by clustering them again and again",
    stages=(
        StageCard(
            name="cluster",
            title="Clustering",
            text="The re-id network learns from groups that it finds among the target's own images.",
            terms={
                "contrast": "Does an image lie near its own group, and far from the others? Lower is better."
            },
            settings=("then", "cluster"),
            network="adapted",
        ),
        StageCard(
            name="cluster_rounds",
            title="Rounds of clustering",
            text="What was found at the start of each round.",
            terms={
                "clusters": "How many groups were found.",
                "outliers": "Share of the images that are in no group; it should fall.",
                "spanning": "Share of the groups with images of several cameras; it should rise.",
                "diagnosis_purity": "Share of grouped images that show their group's most frequent person. "
                "It takes labels: not to be used for choosing anything.",
                "diagnosis_pair_f1": "Pairs of images that are rightly together. It takes labels: not to be "
                "used for choosing anything.",
            },
        ),
    ),
    free=("diagnose",),
    job="genreid.pipelines.train_cluster:ClusterJob",
    config="genreid.training.cluster_config:ClusterConfig",
    recipes="genreid.recipes.cluster:RECIPES",
    default_recipe="paper",
    train="genreid.pipelines.train_cluster:train_cluster",
    then="genreid.pipelines.train_cluster:AFTER_ADAPT",
    modules=(
        "genreid.pipelines.target_images",
        "genreid.pipelines.train_cluster",
        "genreid.training.cluster_config",
        "genreid.training.cluster_stage",
    ),
)
_TAUDL = Method(
    command="train taudl",
    title="TAUDL: learning from people who are known within each camera",
    purpose="TAUDL: learns across cameras, given which images of one camera show one person",
    stages=(
        StageCard(
            name="taudl",
            title="TAUDL",
            text="The re-id network learns from the target's tracklets. Not label-free: it uses which images "
            "of one camera show one person.",
            terms={
                "discrimination": "Cross-entropy of the tracklets within each camera; lower is better.",
                "association": "Are tracklets of other cameras near that look alike? Lower is better.",
            },
            settings=("then", "taudl"),
            network="adapted",
            uses=TAUDL_USES,
        ),
    ),
    job="genreid.pipelines.train_taudl:TaudlJob",
    config="genreid.training.taudl_config:TaudlConfig",
    recipes="genreid.recipes.taudl:RECIPES",
    default_recipe="paper",
    train="genreid.pipelines.train_taudl:train_taudl",
    then="genreid.pipelines.train_taudl:AFTER_ADAPT",
    modules=(
        "genreid.pipelines.target_images",
        "genreid.pipelines.train_taudl",
        "genreid.training.taudl_config",
        "genreid.training.taudl_stage",
    ),
)

METHODS: Mapping[str, Method] = {
    method.name: method for method in (_BASELINE, _ADAPT, _DGNET, _CLUSTER, _TAUDL)
}
"""Every method by the last word of its command, in the order of the help."""
STAGES: Mapping[str, StageCard] = {
    stage.name: stage for method in METHODS.values() for stage in method.stages
}
"""Every stage by its name."""
METHOD_OF_PAPER: Mapping[str, Method] = {method.paper: method for method in METHODS.values() if method.paper}
"""Paper -> the method that it is about."""


def stages_that_leave(network: Network) -> tuple[str, ...]:
    """Return the names of the stages that leave a network, the last first.

    Args:
        network: Which.
    """
    return tuple(reversed([stage.name for stage in STAGES.values() if stage.network == network]))
