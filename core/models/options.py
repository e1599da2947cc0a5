"""Options of the networks: which there are, and which values they take. Torch checks few of them, and asserts some."""

import inspect
from typing import NamedTuple

from torch import nn

from core.errors import UserError

Option = int | float | str | bool
GIVEN = ("self", "n_mels", "genres", "frames")
"""Arguments of every network's constructor that follow from the front end and the dataset, and are nobody's choice."""


class Limits(NamedTuple):
    lowest: float
    highest: float
    whole: bool = False

    def allow(self, value: Option) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.lowest <= value <= self.highest  # NaN is outside

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.lowest:g} to {self.highest:g}"


LIMITS = {
    "width": Limits(1, 512, whole=True),
    "depth": Limits(1, 64, whole=True),
    "heads": Limits(1, 64, whole=True),
    "hidden": Limits(1, 4096, whole=True),
    "dropout": Limits(0, 0.99),
    "shrinkage": Limits(0.001, 1),  # at 0 the covariance of what never varies has no inverse
    "bandwidth": Limits(0.01, 1000),  # a divisor, squared
    "trust": Limits(0.001, 1000),
}
"""Option → its values; an option means the same in every network that has it."""


def check_options(model: str, network: type[nn.Module], options: dict[str, Option]) -> None:
    """
    Raises:
        UserError: the network has no such option, or the option cannot have that value.
    """
    known = [name for name in inspect.signature(network.__init__).parameters if name not in GIVEN]
    for name, value in options.items():
        if name not in known:
            raise UserError(f"The model {model} has no option {name}: it has {', '.join(known)}.")
        if not LIMITS[name].allow(value):
            raise UserError(f"The option {name} of the model {model} must be {LIMITS[name]}, not {value!r}.")
