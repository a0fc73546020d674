"""Settings that let a whole run pass in a second."""

TINY = [
    "network.channels=8",
    "network.channel_mult=[1,2]",
    "network.num_blocks=1",
    "network.attention_resolutions=[4]",
    "diffusion.steps=20",
    "diffusion.schedule=cosine",
    "training.batch_size=8",
    "training.steps=6",
    "training.log_every=2",
    "training.sample_every=0",
    "training.checkpoint_every=2",
    "optimizer.warmup_steps=2",
    "sampling.num=4",
    "sampling.steps=3",
]
"""Overrides that shrink any recipe to a second's work on 8x8 images."""
