"""How fast alphabar is beside other packages and beside the machine: ratios of turns taken in one run.

    python -m benchmarks.speed [--rows NAME...] [--rounds N] [--device cuda] [--json FILE] [--markdown FILE]

Run it in the root of the repository (`make bench` does). Every side of a row is a process of its own (worker.py), and
they take turns in alternating order while the others wait (turns.py), one thread each:

  alphabar fp32     the training step and the network of this package in float32
  alphabar auto     in bf16 instead, where `alphabar.networks.precision.faster` finds it faster in this run
  diffusers         as its `train_unconditional.py`: float32, add_noise, clipping, AdamW, EMAModel, contiguous memory
  diffusers tuned   bf16 where it is faster, channels_last, fused AdamW, EMAModel(foreach=True), glibc keeping memory
  lucidrains        denoising-diffusion-pytorch as its Trainer trains, at the nearest size; skipped where it is missing
  convolution       a 3×3 convolution alone, in float32 and in bf16: what the machine can do

A ratio is the median over the rounds of a side's seconds ÷ alphabar's, [lowest – highest]; above 1 alphabar is faster.
Seconds are CPU time of the process (and wall time in the JSON); with --device cuda wall time, after synchronizing.
Peak memory is the largest resident set over all turns less what the imports take: it holds weights, gradients,
optimizer, averages and activations. How fast images are loaded and checkpoints are written is measured by
benchmarks/packed_feed.py and benchmarks/saves.py.
"""
