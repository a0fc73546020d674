"""Data sets. Every source is a function DataOptions -> ImageSet, and DATASETS lists the sources by name."""

from alphabar.data.advice import Advice, advised
from alphabar.data.augmentation import LABEL_SIZE, Transformation, sampled, transformed
from alphabar.data.files import PUBLISHED_SPLITS, NoSplitError
from alphabar.data.image_set import Batch, ImageSet
from alphabar.data.inspection import inspect
from alphabar.data.on_device import resident, sent
from alphabar.data.options import SPLITS, DataOptions
from alphabar.data.packs.packing import pack_source
from alphabar.data.packs.record import Record
from alphabar.data.report import Report
from alphabar.data.sources import DATASETS, OWN_DATA, Source, detect, load
from alphabar.data.stream import ShuffledStream

__all__ = [
    "DATASETS",
    "LABEL_SIZE",
    "OWN_DATA",
    "PUBLISHED_SPLITS",
    "SPLITS",
    "Advice",
    "Batch",
    "DataOptions",
    "ImageSet",
    "NoSplitError",
    "Record",
    "Report",
    "ShuffledStream",
    "Source",
    "Transformation",
    "advised",
    "detect",
    "inspect",
    "load",
    "pack_source",
    "resident",
    "sampled",
    "sent",
    "transformed",
]
