"""What a worker keeps between two shards."""

from pathlib import Path

import torch

from handsoff.core.files import write_json
from handsoff.core.tensors import write_tensors
from handsoff.jobs.folder import Plan
from handsoff.synthesis import pooled
from handsoff.synthesis.output import FolderOutput
from handsoff.synthesis.shard import LEDGER, ShardContext, readers


def test_what_predicts_attributes_belongs_to_one_plan(tmp_path: Path) -> None:
    """Another plan in the same folder, after a stopped one, reads its own centres."""
    for seed in (0, 1):
        centres = torch.full((2, 3), float(seed), dtype=torch.float64)
        write_tensors(tmp_path / LEDGER / pooled.FILE, {pooled.CLUSTER: centres})
        write_json(tmp_path / LEDGER / pooled.CARD, {})
        context = ShardContext((), tmp_path, FolderOutput(tmp_path), Plan("generate", {}, {"seed": seed}))
        found = readers(context).centres
        assert found is not None
        assert (found == seed).all()
    readers.forget()
