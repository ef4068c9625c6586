"""The first layer applied to a hypercolumn that is never built."""

from unittest.mock import patch

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handsoff.labeling import hypercolumn
from handsoff.labeling.hypercolumn import materialised, pixel_places, project_tiles, sample
from maps import feature_maps


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(0, 99),
    st.sampled_from([4, 12, 64]),
    st.sampled_from([0, 200, 2**24]),
)
@settings(max_examples=60, deadline=None)
def test_projecting_before_upsampling_is_exact_in_tiles_of_any_size(
    height: int, width: int, doublings: int, seed: int, tile: int, kept: int
) -> None:
    features = feature_maps(height, width, doublings, seed)
    size = (height << doublings, width << doublings)
    features.append(torch.randn(2, 2, 3, 7))  # neither a divisor nor smaller
    column = materialised(features, size)
    weight, bias = torch.randn(7, column.shape[1], generator=torch.Generator().manual_seed(seed)), torch.arange(7.0)
    naive = torch.einsum("oc,chw->hwo", weight, column[1]) + bias
    found = torch.full_like(naive, torch.nan)
    with patch.object(hypercolumn, "TILE", tile), patch.object(hypercolumn, "KEPT", kept):
        for place, pixels in project_tiles([feature[1] for feature in features], weight, bias, size):
            found[place] = pixels.view(found[place].shape)
    torch.testing.assert_close(found, naive, rtol=1e-4, atol=1e-4)


@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_sampled_pixels_are_those_of_the_hypercolumn(height: int, width: int, doublings: int) -> None:
    features = feature_maps(height, width, doublings)
    size = (height << doublings, width << doublings)
    rows, columns = torch.randint(size[0], (2, 9)), torch.randint(size[1], (2, 9))
    full = materialised(features, size)
    expected = torch.stack([full[n, :, rows[n], columns[n]].T for n in range(2)])
    torch.testing.assert_close(sample(features, pixel_places(rows, columns, size)), expected, rtol=1e-4, atol=1e-5)
