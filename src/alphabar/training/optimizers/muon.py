"""Muon (Jordan et al. 2024): momentum that is made orthogonal, so that no step depends on the scale of a gradient.

A filter (out, in, k, k) is the matrix (out, in k²) of its rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from alphabar.training.parallel.sharding import share, whole

MOMENTUM = 0.95
ITERATIONS = 5
A, B, C = 3.4445, -4.7750, 2.0315
"""Jordan's quintic a x + b x³ + c x⁵, which brings a singular value in (0, 1] near 1 in few iterations."""

LEAST = 1e-15
"""The norm of a gradient below which its step becomes small: the squares of such values are lost in float32, so that
the norm may be 0 though they are not."""


def orthogonalised(matrices: Tensor) -> Tensor:
    """U Vᵀ of matrices U S Vᵀ (N, R, C), roughly: singular values of about 0.7 to 1.2, by Newton-Schulz iterations."""
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x: Tensor = wide / torch.linalg.matrix_norm(wide, keepdim=True).clamp(min=LEAST)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x if wide is matrices else x.mT


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights of the hidden layers: filters and matrices, without embeddings, first and last convolution."""
    modules = list(network.modules())
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    left_out = {id(module) for module in (*convolutions[:1], *convolutions[-1:])}
    left_out |= {id(module) for module in modules if isinstance(module, nn.Embedding)}
    weights = [p for module in modules if id(module) not in left_out for p in module.parameters(recurse=False)]
    return [weight for weight in weights if weight.ndim >= 2]


class Muon(torch.optim.Optimizer):
    """Muon for the hidden matrices, Adam for the other parameters, at `adam_factor` times the learning rate.

    A step on a matrix (R, C) is its learning rate times √max(1, R/C) times the orthogonalised momentum (Nesterov's).
    Weight decay is decoupled, and of the hidden matrices alone.
    """

    def __init__(
        self,
        network: nn.Module,
        lr: float,
        adam_factor: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        matrices = hidden_matrices(network)
        ours = {id(parameter) for parameter in matrices}
        others = [parameter for parameter in network.parameters() if id(parameter) not in ours]
        self._adam_factor, self._betas, self._eps, self._weight_decay = adam_factor, betas, eps, weight_decay
        groups = [{"params": matrices, "moments": ("momentum",)}, {"params": others, "moments": ADAM_MOMENTS}]
        super().__init__([group for group in groups if group["params"]], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient; none if `found_inf`, as of a GradScaler, is not 0."""
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in parameters:
                self.state[parameter] = self.state[parameter] or _zeros(parameter, group["moments"])
            if group["moments"] == ADAM_MOMENTS:
                self._step_adam(parameters, group["lr"] * self._adam_factor, found_inf)
            else:
                self._step_muon(parameters, group["lr"], found_inf)
        return loss

    def _step_muon(self, parameters: Sequence[Tensor], lr: float, found_inf: Tensor | None) -> None:
        by_shape: dict[tuple[int, int], list[Tensor]] = {}
        for parameter in parameters:
            by_shape.setdefault((len(parameter), parameter[0].numel()), []).append(parameter)
        for (rows, columns), alike in by_shape.items():
            momenta = [self.state[parameter]["momentum"] for parameter in alike]
            gradients = [_gradient(parameter) for parameter in alike]
            if found_inf is not None:  # a momentum that meets itself does not change
                gradients = [torch.where(found_inf == 0, *pair) for pair in zip(gradients, momenta, strict=True)]
            torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
            ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)
            directions = orthogonalised(torch.stack([whole(each).reshape(rows, columns) for each in ahead]))
            rate = lr * max(1.0, rows / columns) ** 0.5
            decay = lr * self._weight_decay
            for parameter, direction in zip(alike, directions, strict=True):
                direction = share(direction.reshape(parameter.shape), parameter)
                if found_inf is None:
                    parameter.mul_(1 - decay).sub_(direction, alpha=rate)
                else:
                    step = parameter * decay + direction * rate
                    parameter.sub_(torch.where(found_inf == 0, step, 0))

    def _step_adam(self, parameters: Sequence[Tensor], lr: float, found_inf: Tensor | None) -> None:
        states = [self.state[parameter] for parameter in parameters]
        adam(
            list(parameters),
            [_gradient(parameter) for parameter in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            max_exp_avg_sqs=[],
            state_steps=[state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=lr,
            weight_decay=0.0,
            eps=self._eps,
            maximize=False,
            found_inf=found_inf,
        )


ADAM_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""Adam's state of a parameter: the moments, shaped like it, and the number of its updates."""


def _zeros(parameter: Tensor, moments: Sequence[str]) -> dict[str, Any]:
    scalar = torch.zeros((), dtype=torch.float32, device=parameter.device)
    return {name: scalar.clone() if name == "step" else torch.zeros_like(parameter) for name in moments}


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
