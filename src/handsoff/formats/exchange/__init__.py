"""Formats, one module each: `recognises` and `read` read a dataset, `write` and `finish` write one."""

from dataclasses import replace

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.datasets.layout import misnamed
from handsoff.datasets.sources import Source
from handsoff.formats.containers import refuse_unfit
from handsoff.formats.exchange import (
    celebamask,
    cityscapes,
    coco,
    coco_write,
    cvat_xml,
    deepfashion,
    folder,
    huggingface,
    huggingface_write,
    labelme,
    labelstudio,
    labelstudio_write,
    panoptic,
    voc,
    webdataset,
    yolo,
)
from handsoff.formats.samples import Dataset, FormatReader, FormatWriter
from handsoff.formats.unexplained import unexplained

FOLDER = "folder"  # the format that all other verbs read
READERS: dict[str, FormatReader] = {  # asked in this order whether they recognise a dataset: the strictest first
    FOLDER: FormatReader("HandsOff's folder format", folder.recognises, folder.read),
    "cvat": FormatReader("masks of CVAT and Pascal VOC", voc.recognises, voc.read),
    "cvat-xml": FormatReader("CVAT for images (XML)", cvat_xml.recognises, cvat_xml.read),
    "cityscapes": FormatReader("Cityscapes", cityscapes.recognises, cityscapes.read),
    "celebamask": FormatReader("CelebAMask-HQ", celebamask.recognises, celebamask.read),
    "deepfashion": FormatReader("DeepFashion-MultiModal", deepfashion.recognises, deepfashion.read),
    "labelme": FormatReader("LabelMe", labelme.recognises, labelme.read),
    "labelstudio": FormatReader("Label Studio", labelstudio.recognises, labelstudio.read),
    "coco": FormatReader("COCO", coco.recognises, coco.read),
    "coco-panoptic": FormatReader("COCO panoptic", panoptic.recognises, panoptic.read),
    "yolo": FormatReader("YOLO", yolo.recognises, yolo.read),
    "huggingface": FormatReader("Parquet for Hugging Face datasets", huggingface.recognises, huggingface.read),
    "webdataset": FormatReader("WebDataset", webdataset.recognises, webdataset.read),
}
WRITERS: dict[str, FormatWriter] = {
    FOLDER: FormatWriter("HandsOff's folder format", folder.write, folder.finish),
    "cvat": FormatWriter("CVAT's segmentation masks", voc.write, voc.finish, ("segmentation",), check=voc.check),
    "coco": FormatWriter("COCO", coco_write.write, coco_write.finish, ("segmentation", "keypoints")),
    "coco-panoptic": FormatWriter("COCO panoptic", panoptic.write, panoptic.finish, ("segmentation",)),
    "huggingface": FormatWriter(
        "Parquet for Hugging Face datasets", huggingface_write.write, huggingface_write.finish, check=refuse_unfit
    ),
    "webdataset": FormatWriter("WebDataset", webdataset.write, webdataset.finish, check=refuse_unfit),
    "labelstudio": FormatWriter(
        "Label Studio",
        labelstudio_write.write,
        labelstudio_write.finish,
        ("segmentation", "keypoints"),
        check=labelstudio_write.check,
    ),
    "yolo": FormatWriter("YOLO", yolo.write, yolo.finish, ("segmentation", "keypoints"), alone=True, ignores=False),
}


ALSO = {  # what others call a format, in lower case → its name here
    "voc": "cvat",
    "pascal": "cvat",
    "pascal-voc": "cvat",
    "pascal_voc": "cvat",
    "panoptic": "coco-panoptic",
    "parquet": "huggingface",
    "hf": "huggingface",
    "wds": "webdataset",
    "tar": "webdataset",
    "label-studio": "labelstudio",
    "label_studio": "labelstudio",
    "yolov8": "yolo",
    "yolov11": "yolo",
    "ultralytics": "yolo",
    "handsoff": FOLDER,
    "png": FOLDER,
    "masks": FOLDER,
}


def format_of(source: Source) -> str | None:
    """The name of the first format that recognises the dataset, None if none does."""
    return next((name for name, reader in READERS.items() if reader.recognises(source)), None)


def open_dataset(source: Source, name: str | None = None) -> Dataset:
    """Open a dataset in the format `name`, or in the first format that recognises it.

    Raises:
        InputError: no format recognises the dataset, or a part of it is missing.
        UnknownNameError: `name` is no format of `READERS`.
    """
    if name is not None and name not in READERS:
        raise UnknownNameError("format", name, READERS, ALSO)
    found = name or format_of(source)
    if found is None:
        titles, renaming = ", ".join(reader.title for reader in READERS.values()), misnamed(source)
        held = "".join(f" {sentence}" for sentence in unexplained(source))
        raise InputError(
            f"{source.path} is in no format that HandsOff knows ({titles}): {renaming or 'see docs/formats.md'}.{held}"
        )
    dataset = READERS[found].read(source)
    return replace(dataset, notes=(*source.notes, *dataset.notes))
