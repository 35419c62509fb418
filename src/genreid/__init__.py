"""genreid: generative learning for person re-identification (CR-GAN and DG-Net)."""

__version__ = "0.1.0"
