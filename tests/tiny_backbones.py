"""Tiny networks of timm's families, under names that the command line knows once this is imported.

Each is its family's own class with few and narrow layers; timm has such test networks of some families only.
"""

from collections.abc import Callable
from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.eva import Eva
from timm.models.mlp_mixer import MlpMixer
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

NARROW: dict[str, Any] = {"img_size": 64, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
KINDS: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "tiny_vit_plain": (VisionTransformer, NARROW),
    "tiny_clip": (VisionTransformer, {**NARROW, "pre_norm": True, "act_layer": "quick_gelu"}),
    "tiny_dinov2": (VisionTransformer, {**NARROW, "reg_tokens": 4, "init_values": 1e-5}),
    "tiny_siglip": (VisionTransformer, {**NARROW, "class_token": False, "global_pool": "map"}),
    "tiny_mean": (
        VisionTransformer,
        {**NARROW, "class_token": False, "global_pool": "avg", "fc_norm": False},
    ),
    "tiny_dinov3": (
        Eva,
        {**NARROW, "use_abs_pos_emb": False, "use_rot_pos_emb": True, "num_reg_tokens": 4, "mlp_ratio": 2},
    ),
    "tiny_swin": (
        SwinTransformer,
        {"img_size": 64, "embed_dim": 8, "depths": (1, 2), "num_heads": (1, 2), "window_size": 4},
    ),
    "tiny_mixer": (MlpMixer, {"img_size": 64, "patch_size": 8, "embed_dim": 16, "num_blocks": 1}),
}
"""Name -> its family's class, and what makes it small."""
TOKENS = tuple(KINDS)
MAPS = ("test_resnet", "test_efficientnet", "test_convnext", "test_byobnet", "test_mambaout")

default_cfgs = generate_default_cfgs(
    {name: {"input_size": (3, 64, 64), "mean": (0.5, 0.4, 0.6), "std": (0.5, 0.6, 0.4)} for name in KINDS}
)


def _maker(name: str) -> Callable[..., Any]:
    """Return timm's function that builds a network."""

    def make(pretrained: bool = False, **kwargs: Any) -> Any:
        kind, settings = KINDS[name]
        return build_model_with_cfg(kind, name, pretrained, **{**settings, **kwargs})

    make.__name__, make.__module__ = name, __name__
    return make


for tiny in KINDS:
    globals()[tiny] = register_model(_maker(tiny))
