from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import torch

# No torch here: see tests/conftest.py.


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> "torch.device":
    """The device that is compared with the CPU; the CPU itself where there is no GPU, so that the tests are run."""
    import torch

    from alphabar import build

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    return build.device(request.param)


@pytest.fixture
def repeatable(monkeypatch):
    """The same bits from the same work; some of CUDA's kernels add in any order otherwise."""
    import torch

    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)
