"""Metrics of generated images. Extractors turn images into features, and metrics compare two sets of features."""

from alphabar.metrics.copying import copying
from alphabar.metrics.distances import nearest
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.extractor import EXTRACTORS, Extractor
from alphabar.metrics.features import Features, Moments, Rows, moments
from alphabar.metrics.frechet import frechet_distance
from alphabar.metrics.inception import INCEPTION_FILE, INCEPTION_URLS, check_inception
from alphabar.metrics.intervals import Z
from alphabar.metrics.memorisation import memorisation
from alphabar.metrics.metric import METRIC_OF, METRICS, QUANTITIES, Metric
from alphabar.metrics.naming import display_name

__all__ = [
    "EXTRACTORS",
    "INCEPTION_FILE",
    "INCEPTION_URLS",
    "METRICS",
    "METRIC_OF",
    "QUANTITIES",
    "Estimate",
    "Extractor",
    "Features",
    "Metric",
    "Moments",
    "Rows",
    "Z",
    "check_inception",
    "copying",
    "display_name",
    "frechet_distance",
    "memorisation",
    "moments",
    "nearest",
]
