"""The optimiser: torch's AdamW, without torch's compiler."""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer


class AdamW(torch.optim.AdamW):
    """AdamW in every digit (Loshchilov & Hutter, ICLR 2019; arXiv:1711.05101), of the same state; not differentiable.

    torch wraps what an optimiser can do in calls that keep its compiler from looking into it, for which they import the
    compiler: a second at the start of every training. Here nothing is compiled, so these are the methods themselves.
    """

    add_param_group: Any = unwrap(Optimizer.add_param_group)
    zero_grad: Any = unwrap(Optimizer.zero_grad)
    state_dict: Any = unwrap(Optimizer.state_dict)
    load_state_dict: Any = unwrap(Optimizer.load_state_dict)
    step: Any = torch.no_grad()(unwrap(torch.optim.AdamW.step))
