"""DDPM on one page: train on the bundled 8x8 digits for STEPS steps (1000), then sample 64 new ones into digits.png."""

import sys
from pathlib import Path

import torch

from alphabar import data, images, networks
from alphabar import diffusion as d

x = images.to_signed(data.load("digits").images)  # (1797, 1, 8, 8) in [-1, 1]
network = networks.UNet(
    image_size=(8, 8), in_channels=1, out_channels=1, channels=32, channel_mult=(1, 2), attention_resolutions=(4,)
)
denoiser = d.Denoiser(network, d.cosine(1000), d.EPS, d.FIXED_SMALL, x0_transform=d.clip)
adam = torch.optim.Adam(network.parameters(), lr=1e-3)

for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
    x0, t = x[torch.randint(len(x), (64,))], torch.randint(1, 1001, (64,))
    loss = d.training_loss(denoiser, d.Objective("simple"), x0, t, torch.randn_like(x0))["loss"].mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    print(f"\rstep {step + 1}  loss {loss.item():.3f}", end="", flush=True)

short = denoiser.respaced(d.spaced(denoiser.schedule, "uniform", 50))
for state in d.reverse_process(d.DDIM(eta=1.0), short, torch.randn(64, 1, 8, 8), noise=torch.randn_like):
    samples = state.x  # from noise to digits, step by step
images.save_png(Path("digits.png"), images.sheet(images.to_uint8(samples)))
print("\nsee digits.png")
