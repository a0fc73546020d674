"""A run whose numbers went bad goes back to its last good checkpoint, once, with half the learning rate."""

from alphabar import distributed
from alphabar.errors import DivergedError
from alphabar.files import json_lines
from alphabar.runs import provenance
from alphabar.runs.run import Run
from alphabar.runs.together import newest_good
from alphabar.training.log import Log
from alphabar.training.state import TrainState

FACTOR = 0.5


def go_back(run: Run, state: TrainState, error: DivergedError, log: Log) -> bool:
    """Put the newest good checkpoint into `state`; False if that was done before, or there is none.

    The clock runs on. What was logged after that checkpoint is dropped, as it is when a run resumes. The factor on the
    learning rate is part of the state, so that it stays when the run is resumed.
    """
    may = state.rate_factor == 1 and not state.scaler.is_enabled()  # in fp16 the loss scale was tried, not the rate
    saved = newest_good(run, log.say) if may else None
    if saved is None:
        return False
    step, seconds, aside, budget = state.step, state.seconds, state.aside, state.pace.budget
    state.optimizer.zero_grad(set_to_none=True)
    state.restore(saved)
    if state.rate_factor != 1:  # a checkpoint of the second time
        raise error
    state.seconds, state.aside, state.pace = seconds, aside, state.pace.within(budget)
    state.rate_factor = FACTOR
    state.skips.forget()
    log.go_back(state)
    rate = state.config.optimizer.learning_rate
    change = (
        f"optimizer.learning_rate: {rate:g} -> {rate * FACTOR:g} from step {state.step} on (diverged at step {step})"
    )
    if distributed.is_main():
        json_lines.append(run.environment, provenance.environment() | {"changed": [change]})
    log.say(f"warning: {error} For now it goes on from step {state.step:,} with half the learning rate.")
    return True
