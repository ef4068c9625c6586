"""The shape of a StyleGAN2 generator, within what one can have."""

import math
from dataclasses import dataclass

from handsoff.core.frames import Frame

# Lowest and highest values: no published generator comes near, and what stays within them is soon built.
LIMITS = {
    "z_dim": (1, 2**15),
    "w_dim": (1, 2**15),
    "mapping_layers": (1, 64),
    "channel_base": (1, 2**20),
    "channel_max": (1, 2**14),
    "classes": (0, 100_000),
}
MAX_SIDE = 4096  # pixels


@dataclass(frozen=True)
class StyleGAN2Config:
    """The shape of a StyleGAN2 generator.

    Attributes:
        resolution: (H, W) of the image, `base` times a power of two.
        base: (h, w) of the constant input.
        channel_base, channel_max: a block of height r·base/4 has min(channel_base / r, channel_max) channels.
        block_channels: the channels of each block, where they follow no such rule.
        classes: of a class-conditional generator; 0 = not conditional.
        clamp: what activations are clamped to, as in models trained in 16 bits.
    """

    resolution: Frame = (64, 64)
    base: Frame = (4, 4)
    z_dim: int = 128
    w_dim: int = 128
    mapping_layers: int = 4
    channel_base: int = 2048
    channel_max: int = 128
    block_channels: tuple[int, ...] | None = None
    classes: int = 0
    clamp: float | None = None

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in LIMITS} | {
            f"block_channels[{index}]": count for index, count in enumerate(self.block_channels or ())
        }
        for name, count in counts.items():
            low, high = LIMITS.get(name, LIMITS["channel_max"])
            if not low <= count <= high:
                raise ValueError(f"{name} is {count}, not {low} to {high}")
        if self.clamp is not None and not 0 < self.clamp < math.inf:
            raise ValueError(f"the clamp {self.clamp} is no positive number")
        self.check_sizes()

    def check_sizes(self) -> None:
        (height, width), (rows, columns) = self.resolution, self.base
        if min(rows, columns) < 1 or max(height, width) > MAX_SIDE:
            raise ValueError(f"{height}x{width} pixels from a base of {rows}x{columns} are not 1 to {MAX_SIDE}")
        if self.doublings < 1:
            raise ValueError(f"{height}x{width} pixels are no more than its base: the base is doubled at least once")
        if (rows << self.doublings, columns << self.doublings) != (height, width):
            raise ValueError(f"resolution {height}x{width} is not the base {rows}x{columns} times a power of two")
        if self.block_channels is not None and len(self.block_channels) != self.doublings + 1:
            raise ValueError(f"{len(self.block_channels)} block_channels do not make {self.doublings + 1} blocks")
        if min(self.channels) < 1:
            raise ValueError(f"channel_base {self.channel_base} leaves no channels at {height}x{width} pixels")

    @property
    def doublings(self) -> int:
        return max(int(math.log2(max(self.resolution[0] // self.base[0], 1))), 0)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each block, coarse to fine."""
        if self.block_channels is not None:
            return self.block_channels
        return tuple(min(self.channel_base // (4 << level), self.channel_max) for level in range(self.doublings + 1))
