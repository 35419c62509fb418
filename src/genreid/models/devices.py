"""Names of devices and of arithmetic, as options have them; importing them costs nothing."""

from typing import Literal

DeviceName = Literal["auto", "cpu", "cuda"]
PrecisionName = Literal["auto", "fp32", "tf32", "bf16"]
