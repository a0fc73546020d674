"""Runs on the Hugging Face Hub: what is published of a run, with its model card, and how it comes back."""
