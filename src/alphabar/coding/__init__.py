"""Lossless files from the bound: bits-back coding of images with a diffusion model."""
