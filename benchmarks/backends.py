"""The CPU-seconds of sampling with each backend, one thread each, in turns; start-up is counted apart.

python benchmarks/backends.py [RUN [BATCH]]     needs the extras onnx and openvino
"""

import sys
import time

import torch

import alphabar
from alphabar import names

NUM = 64
ROUNDS = 3


def main(run: str = "fashion-mnist", batch: str = "64") -> None:
    torch.set_num_threads(1)
    model = alphabar.load(run, device="cpu")
    pipelines, seconds = {}, {}
    for name in names.BACKENDS:
        began = time.process_time()
        pipelines[name] = model.pipeline(batch_size=int(batch), backend=name).prepare()
        print(f"{name:12} start-up {time.process_time() - began:.2f} CPU-s")
        seconds[name] = list[float]()
    job = pipelines["torch"].job(range(NUM))
    for pipeline in pipelines.values():  # the first calls take memory
        next(pipeline.steps(job))
    for _ in range(ROUNDS):
        for name, pipeline in pipelines.items():
            began = time.process_time()
            pipeline.images(job, bar="")
            seconds[name].append(time.process_time() - began)
    for name, spans in seconds.items():
        ratios = [a / b for a, b in zip(seconds["torch"], spans, strict=True)]
        shown = [", ".join(f"{number:.2f}" for number in numbers) for numbers in (spans, ratios)]
        print(f"{name:12} {shown[0]} CPU-s; torch's over them: {shown[1]}")
    print(
        f"{run}: {NUM} images, {batch} at a time, {pipelines['torch'].how}, {pipelines['torch'].steps_per_image} steps"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
