"""`handsoff sample`: images of a generator for people to label, each with the draw that it is made again from.

Labels drawn on generated images need no inversion: their latents are known (DatasetGAN, arXiv 2104.06490, section 3.1).
"""

from collections.abc import Sequence
from pathlib import Path

from handsoff.core.files import png, write_bytes, write_json
from handsoff.datasets.generated import MANIFEST, write_records
from handsoff.generators.contract import Generator
from handsoff.generators.stored import generator_hash, load_generator, read_card
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.sampling.draws import Draw, Draws, planned_draws
from handsoff.synthesis.samples import batch_size, filled_batches, images_of
from handsoff.synthesis.settings import SampleSettings


def plan(generator: Path, settings: SampleSettings) -> Plan:
    """What `sample` is going to do.

    Raises:
        InputError: the folder is no generator, or it does not know the condition, or needs one.
    """
    draws_of(generator, settings.model_copy(update={"n": 1}))  # refuses what all draws would be refused for
    source = {"path": str(generator.resolve()), "fingerprint": generator_hash(generator)}
    return Plan("sample", {"generator": source}, settings.model_dump())


def draws_of(generator: Path, settings: SampleSettings) -> Draws:
    return planned_draws(read_card(generator).conditions, **settings.model_dump())


def sample(generator: Path, out: Path, settings: SampleSettings) -> Work:
    """Draw `n` images; `out` gets `images/` and `samples.jsonl`, which says how each was drawn.

    Labels may be put beside the images, or come from a copy of them that another tool labelled; `handsoff fit` finds
    the latents of both.

    Raises:
        InputError: as `plan`, or `out` holds something else.
    """
    with open_job(out, plan(generator, settings)) as job:
        if not job.done:
            yield from write_samples(job, load_generator(generator), draws_of(generator, settings))
    return job.outcome


def write_samples(job: Job, generator: Generator, draws: Sequence[Draw]) -> Part:
    """The images that are not there yet, and last their records."""
    names, number = [f"{draw.seed:08d}" for draw in draws], 0
    for batch, filled in filled_batches(draws, batch_size(generator.image_size)):
        files = [job.out / "images" / f"{name}.png" for name in names[number : number + len(batch)]]
        if not all(file.is_file() for file in files):  # each is written at once, so what is there is whole
            for file, image in zip(files, images_of(generator, filled), strict=False):
                write_bytes(file, png(image))
        number += len(batch)
        yield Progress("drawing", number, len(draws))
    facts = {"image_size": list(generator.image_size), "framing": generator.framing, "licence": generator.licence}
    write_json(job.out / MANIFEST, {**facts, "generator": job.plan.inputs["generator"]["fingerprint"]})
    records = ({"name": name, "draw": draw.record()} for name, draw in zip(names, draws, strict=True))
    write_records(job.out, records)
    job.finish(licence=generator.licence, drawn=len(draws), image_size=list(generator.image_size))
