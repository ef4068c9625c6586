"""Random feature maps, as a generator leaves them."""

import torch


def feature_maps(height: int, width: int, doublings: int, seed: int = 0) -> list[torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, 3 + level, height << level, width << level, generator=stream)
        for level in range(doublings + 1)
        for _ in range(1 + (level > 0))
    ]
