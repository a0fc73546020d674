"""A race of alphabar, diffusers and lucidrains on small images: same data, same CPU time, same machine, same run.

    OMP_NUM_THREADS=1 python -m benchmarks.race train FOLDER --data fashion_mnist --minutes 30 --seeds 0
    OMP_NUM_THREADS=1 python -m benchmarks.race measure FOLDER --count 5000
    OMP_NUM_THREADS=1 python -m benchmarks.race bits FOLDER --count 64
    python -m benchmarks.race report FOLDER > race.md
    python -m pytest benchmarks/race

Run it in the root of the repository after `make test`; lucidrains' package and what it needs come without their own
ideas of torch and torchvision: `pip install --no-deps denoising-diffusion-pytorch==2.3.4 einops ema-pytorch accelerate
tqdm`. Every command goes on where it stopped, and takes --help.

Each side trains on the same images for the same CPU time of one thread: alphabar by the recipe that is called as the
data set, the others by the defaults of their training scripts, which nobody tuned for this size, data or budget, with a
network of the size of the recipe's; `diffusers-tuned` at the recipe's learning rate, warm-up and batch size. The
updates by which alphabar reckons how many fit into the budget come before it.

Then each draws with its own samplers, and all draw with the same two of alphabar's, from the same seeds: so the tables
tell what is owed to the training, and what to the sampling; and `bits` bounds the bits/dim of test images.
"""
