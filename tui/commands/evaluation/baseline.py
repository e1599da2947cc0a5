"""An earlier result of ``crossval --json``, and McNemar's test of a new one against it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from core.training.evaluation.significance import mcnemar
from core.util.errors import UserError
from tui.commands.exit_codes import UsageError

if TYPE_CHECKING:
    from core.dataset.clip import Clip


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a clip in a cross-validation, as ``crossval --json`` prints it."""

    name: str
    genre: str
    predicted: Annotated[list[str], msgspec.Meta(min_length=1)]
    """By every training that measured it."""
    content: str | None = None
    """The hash of its file, where it is audio: equal names alone may be of other data."""

    @property
    def right(self) -> bool:
        """Whether the first training that measured it was."""
        return self.predicted[0] == self.genre


def _pairs_of(ours: Sequence[Verdict], theirs: Sequence[Verdict]) -> list[tuple[Verdict, Verdict]]:
    """The clips that both have, each with both verdicts."""
    by_name = {(one.genre, one.name): one for one in theirs}
    pairs = []
    for one in ours:
        other = by_name.get((one.genre, one.name))
        if other and (one.content is None or other.content is None or one.content == other.content):
            pairs.append((one, other))
    return pairs


class Earlier(msgspec.Struct, frozen=True):
    """As much of a result that ``--json`` has printed as a comparison needs."""

    protocol: str
    predictions: list[Verdict]


def read_earlier(path: Path) -> Earlier:
    """A result that ``--json`` has printed.

    Raises:
        UsageError: it is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Earlier)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is no result of crossval --json ({error}): name a file that it was saved to"
        ) from error


def check_comparable(path: Path, earlier: Earlier, protocol: str, measured: list["Clip"]) -> None:
    """Before anything is trained: whether McNemar's test will have something to say.

    Raises:
        UserError: the earlier result is of another protocol, or of other data.
    """
    if not same_protocol(earlier.protocol, protocol):
        raise UserError(
            f"{path} is of another protocol ({earlier.protocol}; now {protocol}): name a result of the same one."
        )
    now = [Verdict(name=c.name, genre=c.genre, predicted=[c.genre], content=content_of(c)) for c in measured]
    if not _pairs_of(now, earlier.predictions):
        raise UserError(f"{path} is of other data, for it has none of the clips measured now: name a result of them.")


def same_protocol(one: str, other: str) -> bool:
    """Whether two results of cross-validation may be compared, by their protocols in words.

    The number of trainings does not matter: the first training that tests a clip is the same one. The number of folds
    does, because it decides how much there is to train on.
    """

    def without_trainings(protocol: str) -> str:
        return re.sub(r"^\d+ (random stratified split|training)s?", r"\1", protocol)

    return without_trainings(one) == without_trainings(other)


def compare(facts: dict[str, Any], earlier: Earlier) -> dict[str, Any]:
    """McNemar's test on each clip's first prediction, of the clips that both results have."""
    pairs = _pairs_of(msgspec.convert(facts["predictions"], list[Verdict]), earlier.predictions)
    test = mcnemar([ours.right for ours, _ in pairs], [theirs.right for _, theirs in pairs])
    return {
        "clips": len(pairs),
        "of_earlier": len(earlier.predictions),
        "only_this": test.only_first,
        "only_earlier": test.only_second,
        "p": test.p,
    }


def content_of(clip: "Clip") -> str | None:
    """A pack's hash is of the spectrogram, and tells nothing of whether two packs are of the same recordings."""
    return clip.content if clip.path.is_file() else None
