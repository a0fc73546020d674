"""A checkpoint is never resumed with settings that make another run of it."""

import pytest

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.runs import resuming
from tiny_settings import TINY

HARD = [
    "network.channels=16", "network.channel_mult=[1,1]", "network.num_blocks=2", "network.attention_resolutions=[8]",
    "network.dropout=0.5", "network.class_conditional=true", "network.preset=iddpm", "diffusion.steps=21",
    "diffusion.schedule=linear", "diffusion.parameterization=v", "diffusion.variance=fixed_large",
    "diffusion.time_scale=2", "diffusion.timestep_sampler=loss_second_moment", "optimizer.name=muon",
    "optimizer.betas=[0.8,0.9]", "optimizer.weight_decay=0.1", "training.batch_size=16", "training.seed=1",
    "training.ema_rates=[0.9]", "training.ema_warmup=false", "data.image_size=16", "data.channels=3",
    "data.holdout=0.1", "data.horizontal_flip=true", "data.augment=0.1", "data.name=mnist",
]  # fmt: skip
SOFT = [
    "training.steps=99", "training.log_every=1", "training.sample_every=5", "training.checkpoint_every=7",
    "training.keep_checkpoints=1", "training.micro_batch_size=4", "sampling.steps=5", "sampling.num=9",
]  # fmt: skip
RECORDED = ["optimizer.learning_rate=0.1", "optimizer.clip_norm=3", "training.precision=bf16"]
OLD = c.load("ddpm_digits", TINY)


def changed(change: str) -> c.Config:
    return c.load("ddpm_digits", [*TINY, change])


@pytest.mark.parametrize("change", HARD)
def test_row_18_a_setting_that_makes_another_run_is_refused_by_its_name_and_both_values(tmp_path, change) -> None:
    with pytest.raises(AlphabarError) as caught:
        resuming.check_settings(tmp_path, OLD, changed(change))
    assert f"{change.split('=')[0]}: " in str(caught.value) and " -> " in str(caught.value)


@pytest.mark.parametrize("change", SOFT)
def test_row_18_lengths_and_intervals_may_change(tmp_path, change) -> None:
    assert resuming.check_settings(tmp_path, OLD, changed(change)) == []


@pytest.mark.parametrize("change", RECORDED)
def test_row_18_a_remedy_is_taken_and_recorded(tmp_path, change) -> None:
    (recorded,) = resuming.check_settings(tmp_path, OLD, changed(change))
    assert recorded.startswith(f"{change.split('=')[0]}: ")
