"""Images -> features, cached on disk in shards under a key of everything that they depend on.

An interrupted evaluation finds its shards again, and so does the next evaluation against the same reference.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from alphabar import distributed
from alphabar.data import ImageSet
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file, cache_folder, digest, write_json
from alphabar.metrics import Extractor, Features, Rows
from alphabar.terminal.progress import progress

SHARD = 1000  # images
BATCH = 100
VERSION = 1  # of the way from an image set to its shards: raise it when that changes


def random_order(count: int) -> Tensor:
    """A fixed permutation: a folder may be sorted by class, and halves and groups must be random samples."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def key(image_set: ImageSet, extractor: Extractor, made: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the features of these images depend on.

    made: how the images were made. Their resize rule, size and rounding are part of the key, although the pixels alone
    would do: two ways of making images stay two ways even if they happen to agree.
    """
    return {
        "version": VERSION,
        "images": image_set.fingerprint(),
        "count": len(image_set),
        "made": {name: made.get(name) for name in ("resize", "image_size", "rounding")},
        "extractor": extractor.name,
        "weights_sha256": extractor.weights_sha256,
        "extractor_resize": extractor.resize,
        "torch": torch.__version__,
        "device": extractor.device.type,
    }


def features(image_set: ImageSet, extractor: Extractor, made: Mapping[str, Any]) -> Features:
    """The features of all images, in random order, from the cache where it has them; all processes share the work."""
    name, count = key(image_set, extractor, made), len(image_set)
    folder = cache_folder("features") / digest(name)[:32]
    order = random_order(count)
    paths = [folder / f"{first:08d}.safetensors" for first in range(0, count, SHARD)]
    sizes = [min(SHARD, count - k * SHARD) for k in range(len(paths))]
    todo = [k for k, path in enumerate(paths) if not _holds(path, sizes[k], extractor.dim)]
    distributed.barrier()  # nobody writes while another still looks at what is there
    if todo:
        _make(folder, name)
    share = distributed.mine(todo)
    with progress(f"{extractor.name} features", sum(sizes[k] for k in share)) as advance:
        for k in share:
            vectors, logits = [], []
            for first in range(k * SHARD, k * SHARD + sizes[k], BATCH):
                rows = order[first : min(first + BATCH, k * SHARD + sizes[k])]
                both = extractor(image_set.images[rows])
                vectors.append(both[0].cpu())
                logits.append(both[1].cpu())
                advance(len(rows))
            shard = {"vectors": torch.cat(vectors), "logits": torch.cat(logits)}
            with atomic_file(paths[k]) as file:
                file.write(save(shard, {"sha256": _sha256(shard)}))
    distributed.barrier()
    return Features(_rows(paths, "vectors", count, extractor.device), _rows(paths, "logits", count, extractor.device))


def features_in_memory(images: Tensor, extractor: Extractor) -> Features:
    """The features of images uint8 (N, C, H, W) that are in random order already; nothing is written to disk.

    All processes, which have the same images, share the work.
    """
    home, is_shared = _home(extractor.device), len(images) >= distributed.world_size()
    own = distributed.share(len(images)) if is_shared else range(len(images))
    parts = [own[first : first + BATCH] for first in range(0, len(own), BATCH)]
    both = [extractor(images[part.start : part.stop]) for part in parts]
    whole = (torch.cat(columns).to(home) for columns in zip(*both, strict=True))
    return Features.of(*(distributed.gathered(column) if is_shared else column for column in whole))


def _home(device: torch.device) -> torch.device:
    """The device on which metrics compute: MPS has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _sha256(shard: Mapping[str, Tensor]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(shard):
        hashed.update(shard[name].contiguous().numpy().data)
    return hashed.hexdigest()


def _make(folder: Path, name: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AlphabarError(
            f"The cache {folder} cannot be created ({error.strerror}); set XDG_CACHE_HOME to a writable folder."
        ) from None
    if distributed.is_main():
        write_json(folder / "key.json", dict(name))


def _holds(path: Path, size: int, dim: int) -> bool:
    """Whether the file is a complete shard, as it was written."""
    try:
        with safe_open(path, "pt") as file:
            shard = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            sha256 = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return False
    return "vectors" in shard and tuple(shard["vectors"].shape) == (size, dim) and _sha256(shard) == sha256


def _rows(paths: list[Path], name: str, count: int, device: torch.device) -> Rows:
    def read(first: int, last: int) -> Tensor:
        parts = []
        for k in range(first // SHARD, -(-last // SHARD)):
            with safe_open(paths[k], "pt") as file:
                parts.append(file.get_slice(name)[max(first - k * SHARD, 0) : min(last - k * SHARD, SHARD)])
        return torch.cat(parts).to(_home(device))

    return Rows(read, 0, count)
