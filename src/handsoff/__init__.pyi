"""Written by tools/write_stub.py from the inputs and settings of the verbs."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from handsoff.api.dataset import Dataset as Dataset
from handsoff.api.functions import load_generator as load_generator
from handsoff.api.functions import load_labeler as load_labeler
from handsoff.api.functions import open_dataset as open_dataset
from handsoff.api.functions import run as run
from handsoff.core.device import use_device as use_device
from handsoff.core.errors import HandsOffError as HandsOffError
from handsoff.datasets.hub import push as push
from handsoff.learning.onnx import export as export

__all__ = [
    "Dataset",
    "HandsOffError",
    "__version__",
    "convert",
    "diagnose",
    "edit",
    "evaluate",
    "export",
    "fit",
    "generate",
    "import_checkpoint",
    "invert",
    "label",
    "load_generator",
    "load_labeler",
    "open_dataset",
    "push",
    "run",
    "sample",
    "score",
    "train",
    "use_device",
]
__version__: str

def convert(
    dataset: str | PathLike[str],
    out: str | PathLike[str],
    *,
    format: str = "folder",
    source: str | None = None,
    tasks: Sequence[str] | None = None,
    split: str | None = None,
    first: int | None = None,
    corrections: Literal["ignore", "only"] | None = None,
    queue: int | None = None,
    classes: dict[str, str] | None = None,
    ignore: str | None = None,
    frame: str | None = None,
    framing: Literal["crop", "letterbox", "pad", "stretch"] = "crop",
    around: str | None = None,
    margin: float = 0.1,
    aspect: float | None = None,
    align: dict[str, tuple[float, float]] | None = None,
    instances: bool = False,
    prefix: str = "",
    progress: bool | None = None,
) -> Path:
    """Turn labelled data of any format into any other.

    As `handsoff convert`.

    Args:
        dataset: A labelled dataset of any format, see docs/formats.md.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        format: How the labels are written: folder, cvat, coco, coco-panoptic, huggingface, webdataset, labelstudio,
            yolo.
        source: The format of what is read, where HandsOff does not recognise it, see docs/formats.md.
        tasks: Kinds of labels to keep; all without.
        split: Only the samples of this split (train, val, …).
        first: Only the first so many samples in sorted order.
        corrections: Of handsoff review are applied unless this says ignore (read the data as it was made), or only
            (leave out what nobody accepted or corrected).
        queue: Only so many samples: the most uncertain ones that nobody has decided about yet.
        classes: {'left_eye,right_eye' = 'eye'}: which classes make up yours; the others are ignored.
        ignore: The class that ignored pixels become, for formats that cannot ignore.
        frame: HxW in pixels: the size of all images; as they come without.
        framing: How a photo of another shape gets into the frame: crop, letterbox, pad or stretch.
        around: What to crop to: 'labels', 'box' (of the annotations), or names of classes and points.
        margin: How much more to show on every side of it, in parts of its size.
        aspect: Width / height that the square photos had before they were squashed.
        align: {'left_eye' = [0.35, 0.4], 'mouth' = [0.5, 0.7]}: where parts go in the frame.
        instances: Every connected part of a class is an object of its own (COCO).
        prefix: Where the output will lie in the folder whose files Label Studio serves.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def diagnose(
    run: str | PathLike[str],
    out: str | PathLike[str],
    *,
    photos: int = 50,
    images: int = 2000,
    samples: int = 300,
    progress: bool | None = None,
) -> Path:
    """Measure every link of a finished run on its own, to see where quality is lost.

    As `handsoff diagnose`.

    Args:
        run: The output folder of handsoff run.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        photos: Held-out photos that are inverted and labelled.
        images: Images on each side of the distances between generated and real ones; of a diffusion model at most
            500 are drawn.
        samples: Kept and dropped samples, each, whose labels are compared.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def edit(
    labeler: str | PathLike[str],
    examples: str | PathLike[str],
    out: str | PathLike[str],
    *,
    steps: int = 100,
    refine_steps: int = 30,
    lr: float = 0.05,
    outside: float = 1.0,
    pull: float = 0.1,
    parts: Sequence[str] | None = None,
    vectors: int = 8,
    first: int | None = None,
    labels: dict[str, dict[str, Any]] = {},
    corrections: Literal["ignore", "only"] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Path:
    """Learn edit vectors that add rare classes to a generator's samples.

    As `handsoff edit`.

    Args:
        labeler: The folder of handsoff fit, whose labels are masks.
        examples: The folder of handsoff invert, or labelled photos: their masks are pasted.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        steps: Optimisation steps towards the edited mask.
        refine_steps: Further steps towards the mask that the labeler then sees, which mend what lies outside.
        lr: Learning rate of the edit, in standard deviations of w.
        outside: Weight of what changes outside of the edited region.
        pull: Weight of the edit's own mean square, in standard deviations of w.
        parts: Classes that edits are to add; unless said, those that few of the labelled photos show.
        vectors: Edits that are tried per class, each of another sample.
        first: Use the first N labelled photos only.
        labels: About the labels, by task, as for handsoff invert.
        corrections: Of handsoff review are applied unless this says ignore (read the data as it was made), or only
            (leave out what nobody accepted or corrected).
        seed: Of the first sample that an edit is tried on.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def evaluate(
    real: str | PathLike[str],
    synthetic: str | PathLike[str] | Sequence[str | PathLike[str]],
    test: str | PathLike[str],
    out: str | PathLike[str],
    *,
    model: str = "lite0",
    steps: int = 3000,
    patience: int = 400,
    cooldown: int = 300,
    batch: int = 16,
    lr: float = 0.001,
    weight_decay: float = 0.01,
    balance: float = 0.25,
    paste: float = 0.0,
    confidence: float | None = None,
    unlabelled: Literal["labels", "teacher"] = "labels",
    teacher_from: int = 500,
    teacher_threshold: float = 0.9,
    cutmix: float = 0.0,
    task: str | None = None,
    first: int | None = None,
    skip: int = 0,
    labels: dict[str, dict[str, Any]] = {},
    frame: str | None = None,
    framing: Literal["crop", "letterbox", "pad", "stretch"] | None = None,
    group: str | None = None,
    labels_part: str | None = None,
    validation_part: str | None = None,
    test_part: str | None = None,
    curve: Sequence[int | Literal["all"]] | None = None,
    curve_part: str | None = None,
    seeds: int = 3,
    arms: dict[str, dict[str, float | tuple[float, float]]] | Sequence[str] | None = None,
    mirror: bool = False,
    corrections: Literal["ignore", "only"] | None = None,
    note: str | None = None,
    engine: Literal["local", "processes", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    validation: str | PathLike[str] | None = None,
    before: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Measure what datasets are worth beside real labels, on real test photos, and hand over the best model.

    As `handsoff evaluate`.

    Args:
        real: The labelled photos that were used.
        synthetic: The folder of handsoff generate or handsoff label; may be repeated; without one: real only.
        test: Labelled photos to test on.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        model: The network, see docs/evaluate.md.
        steps: Optimisation steps of a run at the most; without validation photos exactly so many.
        patience: A run cools down when validation has not improved for so many steps.
        cooldown: Steps over which the learning rate falls to 0 at the end, at most half of steps.
        batch: Images per step.
        lr: Learning rate between warm-up and cooldown.
        weight_decay: Weight decay of the network.
        balance: 0: pixels count alike; 1: classes count alike.
        paste: Share of images over which a class is pasted that fewer than half of the labelled images show.
        confidence: Pixels that a machine labelled count as much as it was certain (1 - uncertainty), and not at all
            where that is below this; unless set, all count in full.
        unlabelled: What is learnt of images that a machine labelled: those labels, or at every step anew what a
            teacher, the averaged weights of the run itself, says of them.
        teacher_from: The step from which the teacher labels, labels are learnt before; at most half of steps.
        teacher_threshold: A pixel counts where the teacher's most probable class is at least so probable.
        cutmix: Share of images labelled by a machine into which a piece of another is pasted.
        task: Which labels of the dataset; its first kind unless said.
        first: Only the first N real labelled samples.
        skip: Leave out the first N real labelled samples before that.
        labels: Without datasets, which say it: about the labels, by task, as for handsoff invert.
        frame: Without datasets: the size of all images, H or HxW in pixels; unless said, that of the first labelled
            one.
        framing: Without datasets: how photos of another shape get into the frame; unless said, crop.
        group: Regular expression: names that match it alike show the same person or scene, never on both sides of a
            test.
        labels_part: Which samples of --real are labels of any budget that is compared: nobody of their groups is
            tested; unless said, the first N, or with the test in the same folder all but validation and test.
        validation_part: Which samples of --validation, or of --real without it, choose the checkpoint.
        test_part: Which samples of --test are the test.
        curve: Also train real only on so many labels, such as 16,50,100,all: it tells how many real labels an arm
            is worth.
        curve_part: Which samples of --real beyond the first N the curve may use; unless said, all that are neither
            validation nor test.
        seeds: Runs per arm.
        arms: Only these of the default arms, by their names, or other arms: {NAME = {POOL = share of a batch, or
            [share at first, share at the end]}}.
        mirror: Test photos and their mirror images are labelled together, in every arm alike.
        corrections: Of handsoff review are applied unless this says ignore (read the data as it was made), or only
            (leave out what nobody accepted or corrected).
        note: A sentence about the data for the top of the report.
        engine: Compute in this process, in processes of this machine, or on a cluster of Ray.
        workers: So many at once; without it one per GPU or, where there is none, per core.
        address: Of the Ray cluster, auto for the one that this machine belongs to; without it RAY_ADDRESS, or else
            this machine alone.
        validation: Labelled photos that choose the best moment of a run.
        before: The report of an earlier evaluation: runs of it that would come out the same are not made again.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def fit(
    generator: str | PathLike[str],
    examples: str | PathLike[str],
    out: str | PathLike[str],
    *,
    task: str = "segmentation",
    first: int | None = None,
    labels: dict[str, dict[str, Any]] = {},
    head: Literal["pixels", "conv"] = "pixels",
    members: int = 10,
    hidden: tuple[int, int] = (128, 32),
    dropout: float = 0.1,
    features: Sequence[str] = ("generator", "lite0"),
    sigmas: Sequence[float] = (0.05, 0.25, 0.5),
    steps: int = 300,
    images: int = 10,
    pixels: int = 400,
    lr: float = 0.002,
    weight_decay: float = 0.0001,
    balance: float = 0.25,
    networks: int = 3,
    network_steps: int = 1200,
    network_share: float = 0.75,
    corrections: Literal["ignore", "only"] | None = None,
    seed: int = 0,
    corrected: str | PathLike[str] | None = None,
    denoiser: str | PathLike[str] | None = None,
    samples: str | PathLike[str] | None = None,
    teacher: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Train the labeler on latents or photos and their labels.

    As `handsoff fit`.

    Args:
        generator: A generator: the folder of handsoff train or handsoff import.
        examples: The folder of handsoff invert, a generated dataset with corrected labels, or labelled photos.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        task: Which labels to learn: segmentation, keypoints, depth or normals.
        first: Use the first N labelled images only.
        labels: Of labelled photos: about the labels, by task, as for handsoff invert.
        head: What reads the feature maps: pixels (an MLP looks at every pixel alone), conv (convolutions look at
            whole maps and, of a class-conditional generator, at the class).
        members: Pixel classifiers, or convolutional heads, in the ensemble.
        hidden: Widths of the two hidden layers.
        dropout: Share of hidden values that training leaves out.
        features: Feature maps that labels are read from: generator (its own, the paper's form), lite0 (pretrained),
            diffusion (of the image with noise).
        sigmas: Noise levels at which a diffusion model is read.
        steps: Training steps of the pixel classifiers.
        images: Images per step.
        pixels: Pixels sampled from each of them.
        lr: Learning rate of the pixel classifiers.
        weight_decay: Weight decay of the pixel classifiers.
        balance: 0: pixels are drawn alike; 1: classes are drawn alike.
        networks: Image networks trained on the labelled images, which label beside the pixel classifiers.
        network_steps: Training steps of every image network.
        network_share: Weight of all image networks together in the ensemble.
        corrections: Of handsoff review are applied unless this says ignore (read the data as it was made), or only
            (leave out what nobody accepted or corrected).
        seed: Where all random numbers come from.
        corrected: A dataset that was reviewed: the samples that a person accepted or corrected are learnt from,
            too.
        denoiser: A diffusion model whose features are read, where the generator is another; of the same frame.
        samples: The folder of handsoff sample whose images were labelled, where the labels lie elsewhere.
        teacher: The report of handsoff evaluate on the same labels alone: its networks serve, and none is trained.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def generate(
    labelers: str | PathLike[str] | Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    n: int,
    keep: float = 0.9,
    drop: Literal["any", "all"] = "any",
    strata: Literal["none", "parts"] = "parts",
    ignore_pixels: float = 0.0,
    output: Literal["folder", "webdataset"] = "folder",
    url: str | None = None,
    seed: int = 0,
    psi: float = 1.0,
    condition: int | Literal["none"] | dict[str, float | str] | None = None,
    guidance: float | None = None,
    aim: dict[str, Any] | None = None,
    attributes: str | None = None,
    draws_limit: int | None = None,
    engine: Literal["local", "processes", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    edits: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Draw a labelled dataset.

    As `handsoff generate`.

    Args:
        labelers: The folder of handsoff fit; several of one generator label together.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        keep: Share of the samples that is kept: the most certain ones.
        drop: With labels of several tasks: drop what any of them, or only what all of them find uncertain.
        strata: Whose uncertainty is compared: parts = that of samples which show the same rare part, none = that of
            all samples.
        ignore_pixels: Share of the pixels that the labels ignore: the most uncertain ones of all samples.
        output: How samples are stored: folder = files of a folder, webdataset = tar shards, for millions of them.
        url: Where tar shards are written, anything that fsspec knows such as s3://bucket/folder; unless said, into
            the output folder.
        n: How many samples are drawn; `keep` of them stay.
        seed: Of the first sample; the others count on from it.
        psi: Truncation: 1 = all of the generator's variety.
        condition: What a conditional generator is asked for: a class such as 3, attributes such as {yaw = 30, hat =
            'yes'}, or none (drawn unconditionally); unless said, classes come alike often and attributes as in the
            training photos.
        guidance: How strongly samples of a diffusion model follow the condition: 1 = as it learnt, more = closer to
            it and less varied, in twice the time; unless said, 1, or what the model was imported with.
        aim: What the dataset is to hold, such as {'glasses' = 0.3}, see docs/composition.md.
        attributes: A labelled folder whose attributes.json gives further attributes that the aim may ask for.
        draws_limit: How many samples may be drawn to reach the aim, n or more; unless said, four times n.
        engine: Compute in this process, in processes of this machine, or on a cluster of Ray.
        workers: So many at once; without it one per GPU or, where there is none, per core.
        address: Of the Ray cluster, auto for the one that this machine belongs to; without it RAY_ADDRESS, or else
            this machine alone.
        edits: The folder of handsoff edit, whose vectors help to reach the aim.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def import_checkpoint(
    checkpoint: str | PathLike[str],
    out: str | PathLike[str],
    *,
    framing: Literal["crop", "letterbox", "pad", "stretch"] = "crop",
    licence: str | None = None,
    steps: int = 18,
    without_class: bool = False,
    guidance: float = 1.0,
    mapping_lr: float | None = None,
    progress: bool | None = None,
) -> Path:
    """Turn a published checkpoint into a generator; nothing in the file is run.

    As `handsoff import`.

    Args:
        checkpoint: A published StyleGAN2 checkpoint (.pkl, .pt, .pth, .safetensors), or a diffusers folder.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        framing: How photos got into the frame when it was trained: crop, letterbox, pad or stretch.
        licence: The terms of the weights, as their makers state them; goes into every dataset.
        steps: Of the sampler, of a diffusion model.
        without_class: The last class that a diffusion model is told means none.
        guidance: Weight of classifier-free guidance, of a diffusion model with such a class.
        mapping_lr: Learning-rate multiplier of the mapping network, where it is not 0.01 and the file lacks it.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def invert(
    generator: str | PathLike[str],
    labelled: str | PathLike[str],
    out: str | PathLike[str],
    *,
    first: int | None = None,
    skip: int = 0,
    tasks: Sequence[str] | None = None,
    labels: dict[str, dict[str, Any]] = {},
    photos: str | None = None,
    encoder: str | None = None,
    encoder_steps: int = 600,
    encoder_batch: int = 32,
    encoder_lr: float = 0.0005,
    encoder_passes: int = 1,
    steps: int = 200,
    lr: float = 0.05,
    pixel: float = 2.0,
    prior: float = 0.02,
    residual: int = 0,
    residual_prior: float = 0.1,
    tuning_steps: int = 0,
    tuning_lr: float = 0.0003,
    tuning_batch: int = 10,
    tuning_locality: float = 1.0,
    batch: int = 50,
    seed: int = 0,
    engine: Literal["local", "processes", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: bool | None = None,
) -> Path:
    """Find the generator's latents of labelled photos.

    As `handsoff invert`.

    Args:
        generator: A generator: the folder of handsoff train or handsoff import.
        labelled: A folder or zip of images with masks, keypoints or depth.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        first: Take the first N labelled images in sorted order.
        skip: Leave out the first N before that.
        tasks: Kinds of labels to carry along; without it, all that there are.
        labels: About the labels, by task: {segmentation = {merge = {'left_eye,right_eye' = 'eye'}}}.
        photos: Unlabelled images for the encoder; default: what the generator was trained on.
        encoder: Another folder of latents whose encoder to use.
        encoder_steps: 0 = no encoder, start from the mean latents (the paper: optimisation alone).
        encoder_batch: Images per step of the encoder.
        encoder_lr: Learning rate of the encoder.
        encoder_passes: Times that the encoder looks at photo and reconstruction and corrects itself (ReStyle).
        steps: Refinement steps; 0 = the encoder's latents as they are.
        lr: Refinement step size, in standard deviations of w.
        pixel: Weight of the mean squared error in [-1, 1].
        prior: Weight of the squared Mahalanobis distance to the generator's own w.
        residual: Height of the feature map that a residual per photo is added to, such as 16; 0 = none.
        residual_prior: Weight of the mean square of the residual, in standard deviations of its channels.
        tuning_steps: Steps that tune the generator on all photos at once (pivotal tuning); 0 = none.
        tuning_lr: Learning rate of that.
        tuning_batch: Photos per step of that, and half as many random samples.
        tuning_locality: Weight of the change in random samples, which is held down.
        batch: Photos refined together, fewer where they are large.
        seed: Where all random numbers come from.
        engine: Compute in this process, in processes of this machine, or on a cluster of Ray.
        workers: So many at once; without it one per GPU or, where there is none, per core.
        address: Of the Ray cluster, auto for the one that this machine belongs to; without it RAY_ADDRESS, or else
            this machine alone.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def label(
    voters: str | PathLike[str] | Sequence[str | PathLike[str]],
    photos: str | PathLike[str],
    out: str | PathLike[str],
    *,
    keep: float = 0.9,
    drop: Literal["any", "all"] = "any",
    strata: Literal["none", "parts"] = "parts",
    ignore_pixels: float = 0.0,
    output: Literal["folder", "webdataset"] = "folder",
    url: str | None = None,
    n: int | None = None,
    apart_first: int | None = None,
    mirror: bool = True,
    inversion: Literal["none", "encoder", "refined"] = "none",
    engine: Literal["local", "processes", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    apart: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    progress: bool | None = None,
) -> Path:
    """Label your own photos: real images, labels, uncertainty, selection.

    As `handsoff label`.

    Args:
        voters: The folder of handsoff fit, or the report of handsoff evaluate; several label together.
        photos: A folder or zip of photos; copies of labelled ones are left out.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        keep: Share of the samples that is kept: the most certain ones.
        drop: With labels of several tasks: drop what any of them, or only what all of them find uncertain.
        strata: Whose uncertainty is compared: parts = that of samples which show the same rare part, none = that of
            all samples.
        ignore_pixels: Share of the pixels that the labels ignore: the most uncertain ones of all samples.
        output: How samples are stored: folder = files of a folder, webdataset = tar shards, for millions of them.
        url: Where tar shards are written, anything that fsspec knows such as s3://bucket/folder; unless said, into
            the output folder.
        n: Label so many of the photos only, spread evenly over them in sorted order.
        apart_first: Only the first N labelled samples of the first --apart are kept apart.
        mirror: Networks also look at the mirror image of every photo, where its labels are known.
        inversion: How labelers that read latents get those of a photo, so that their pixel classifiers vote too:
            none (they do not), encoder (its latents as they are), refined (by 200 steps of optimisation).
        engine: Compute in this process, in processes of this machine, or on a cluster of Ray.
        workers: So many at once; without it one per GPU or, where there is none, per core.
        address: Of the Ray cluster, auto for the one that this machine belongs to; without it RAY_ADDRESS, or else
            this machine alone.
        apart: Photos, such as those of a test, whose copies are left out too; may be repeated.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def sample(
    generator: str | PathLike[str],
    out: str | PathLike[str],
    *,
    n: int,
    seed: int = 0,
    psi: float = 1.0,
    condition: int | Literal["none"] | dict[str, float | str] | None = None,
    guidance: float | None = None,
    progress: bool | None = None,
) -> Path:
    """Draw images for people to label; their latents are known.

    As `handsoff sample`.

    Args:
        generator: A generator: the folder of handsoff train or handsoff import.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        n: How many images are drawn.
        seed: Of the first sample; the others count on from it.
        psi: Truncation: 1 = all of the generator's variety.
        condition: What a conditional generator is asked for: a class such as 3, attributes such as {yaw = 30, hat =
            'yes'}, or none (drawn unconditionally); unless said, classes come alike often and attributes as in the
            training photos.
        guidance: How strongly samples of a diffusion model follow the condition: 1 = as it learnt, more = closer to
            it and less varied, in twice the time; unless said, 1, or what the model was imported with.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def score(
    voters: str | PathLike[str] | Sequence[str | PathLike[str]],
    test: str | PathLike[str],
    out: str | PathLike[str],
    *,
    test_part: str | None = None,
    group: str | None = None,
    labels_part: str | None = None,
    mirror: bool = True,
    inversion: Literal["none", "encoder", "refined"] = "none",
    labelled: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Score labelers and models as they are on test photos; nothing is trained.

    As `handsoff score`.

    Args:
        voters: The folder of handsoff fit, or the report of handsoff evaluate; several are compared.
        test: Labelled photos to test on.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        test_part: Which samples of --test are the test.
        group: Regular expression: names that match it alike show the same person or scene, never on both sides of a
            test; needs --labelled.
        labels_part: Which samples of --labelled somebody learnt from, or was chosen by; unless said, all.
        mirror: Networks also look at the mirror image of every photo, where its labels are known.
        inversion: How labelers that read latents get those of a photo, as for handsoff label.
        labelled: With group: the labelled photos that they learnt from; nobody of their groups is tested.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """

def train(
    images: str | PathLike[str],
    out: str | PathLike[str],
    *,
    kind: Literal["stylegan2", "diffusion"] = "stylegan2",
    resolution: str = "64",
    discriminator: Literal["projected", "stylegan2"] = "projected",
    kimg: float | None = None,
    minutes: float | None = None,
    framing: Literal["crop", "letterbox", "pad", "stretch"] = "crop",
    seed: int = 0,
    batch: int = 32,
    channel_base: int | None = None,
    channel_max: int = 192,
    w_dim: int = 192,
    g_lr: float = 0.002,
    d_lr: float = 0.0002,
    r1: float = 5.0,
    unet_channels: Sequence[int] = (32, 64, 128, 128),
    lr: float = 0.0004,
    mixing: float = 0.0,
    mirror: bool = True,
    conditions: str | None = None,
    mirrored: Sequence[str] | None = None,
    augment: Literal["none"] | None = None,
    feature_size: int = 128,
    snapshot_kimg: float = 20.0,
    tensorboard: bool = False,
    licence: str = "unknown: inherits the terms of the training images",
    init: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Train a generator on a folder or zip of unlabelled images.

    As `handsoff train`.

    Args:
        images: A folder or zip of images.
        out: The folder to write; the same call again goes on where it was, or does nothing where it is finished.
        kind: What is trained: stylegan2 (a GAN) or diffusion (pip install 'handsoff-labels[diffusion]').
        resolution: H or HxW, a power of two times the base (4x4, or as small as the shape allows).
        discriminator: Who tells real from made: projected (on pretrained features) or stylegan2.
        kimg: Thousands of images shown to the discriminator; 200 without kimg and minutes.
        minutes: Minutes of training, resumed parts added up.
        framing: How an image of another shape gets into the frame: crop, letterbox, pad or stretch.
        seed: Where all random numbers come from.
        batch: Images per step over all processes.
        channel_base: Channels at height r are channel_base / r; default: 48 in the finest block.
        channel_max: Channels at any height at the most.
        w_dim: Numbers of a latent w.
        g_lr: Learning rate of the generator.
        d_lr: Learning rate of the discriminator.
        r1: Weight of the gradient penalty of the projected discriminator, on standardised features.
        unet_channels: Of the U-Net of a diffusion model, level by level, fine to coarse.
        lr: Learning rate of a diffusion model.
        mixing: Probability of style mixing per sample.
        mirror: Flip half of the images left to right.
        conditions: JSON with a number or a word per photo and attribute: the generator can then be asked for these.
        mirrored: Conditions whose sign changes in the mirror, such as ['yaw']; unless said, photos with conditions
            are not mirrored.
        augment: None: the projected discriminator sees images as they are; unless said, moved, tinted and in part
            covered.
        feature_size: Longer side of images for the projected discriminator, pixels.
        snapshot_kimg: How often to measure, draw the grid and keep the best.
        tensorboard: Also write TensorBoard event files: pip install 'handsoff-labels[tensorboard]'.
        licence: Travels into every dataset.
        init: A generator to begin with, of the same resolution and framing.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.

    Returns:
        The folder `out`, whose `report.json` says what was done.

    Raises:
        HandsOffError: An input or a setting cannot be used; the message says which and why.
    """
