"""Your own images in a few lines: python examples/own_images.py FOLDER MINUTES [section.key=value ...]

It trains on FOLDER for MINUTES (the same command resumes it), then samples 16 images into own_images.png.
"""

import sys
from pathlib import Path

import alphabar

if len(sys.argv) < 3:
    sys.exit(__doc__)
folder, minutes, *settings = sys.argv[1:]

run = alphabar.train("folder", data=folder, minutes=float(minutes), overrides=settings)
model = run.load()
print(model)
model.sample(16).save("own_images.png")
print("see own_images.png and", Path(run) / "samples")
