"""One meaning per key on all screens, and key maps of settings files, old and mistaken ones among them."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import tui
from tui.app import all_bindings
from tui.shell.keymap import usable_keys

MEANINGS = {
    "a": ("classify all that is marked", {"take"}),
    "b": ("baseline; for folders, bookmark", {"pin", "bookmark"}),
    "c": ("compare", {"compare"}),
    "d": ("delete", {"delete", "drop"}),
    "e": ("extend or edit", {"extend", "edit"}),
    "f": ("show all, or only what matters here", {"everywhere", "all_files"}),
    "g": ("first row; without a list, demo data", {"move_to_first", "demo"}),
    "h": ("how sound gets here", {"routes"}),
    "i": ("note", {"note"}),
    "j": ("down", {"move", "scroll"}),
    "k": ("up", {"move", "scroll"}),
    "l": ("logarithmic scale", {"log_scale"}),
    "m": ("model", {"model"}),
    "n": ("new", {"new"}),
    "o": ("options of the charts, the first of which is outliers", {"options", "outliers"}),
    "p": ("play or pause", {"pause", "play"}),
    "q": ("quit or close", {"leave", "dismiss"}),
    "r": ("again", {"resume", "again", "seed"}),
    "s": ("stop; for labels, sort by what is most likely", {"stop", "likely"}),
    "t": ("tags; for labels, train with them", {"tags", "train", "totals"}),
    "u": ("undo", {"undo", "undo_tags"}),
    "v": ("training or validation", {"train"}),
    "w": ("write files", {"write", "save"}),
    "x": ("exclude", {"exclude"}),
    "y": ("copy", {"copy", "copy_path"}),
    "z": ("zoom", {"zoom"}),
    "M": ("second opinion about labels", {"second"}),
    "A": ("examples of another dataset", {"examples"}),
    "C": ("columns", {"columns", "dismiss"}),
    "D": ("device that is listened to", {"source"}),
    "E": ("errors of the test", {"wrong"}),
    "G": ("last row", {"move_to_last"}),
    "K": ("kill", {"signal"}),
    "N": ("names", {"names"}),
    "O": ("open a dataset", {"open"}),
    "R": ("reverse the order", {"reverse"}),
    "S": ("seeds of one recipe together", {"seeds"}),
    "U": ("use from now on", {"use"}),
    "V": ("mark, where space does something else", {"mark"}),
    "X": ("clear", {"clear"}),
    "slash": ("filter", {"filter"}),
    "colon": ("go to", {"go_to", "type"}),
    "plus": ("maximise", {"maximise"}),
    "semicolon": ("jump", {"jump"}),
    "space": ("mark, change or keep what is under the cursor", {"mark", "change", "turn", "play", "keep"}),
}
"""Key → its meaning and the actions that have it."""


def owners() -> Iterator[type[DOMNode]]:
    """Every class of the app with bindings of its own; answers to a yes-or-no question aside."""
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        importlib.import_module(module.name)
    classes = [DOMNode]
    while classes:
        owner = classes.pop()
        classes += owner.__subclasses__()
        if owner.__module__.startswith("tui.") and "BINDINGS" in vars(owner) and owner.__name__ != "ConfirmScreen":
            yield owner


def test_a_letter_means_the_same_on_every_screen() -> None:
    seen = set()
    for owner in owners():
        for binding in Binding.make_bindings(owner.BINDINGS):
            if len(binding.key) > 1 and binding.key not in MEANINGS:
                continue  # arrows, ctrl+..., function keys
            action = binding.action.rpartition(".")[2].partition("(")[0]
            if binding.key.isdigit():
                assert action == "show_mode", f"{owner.__name__}: {binding.key} is not {action}"
                continue
            meaning, actions = MEANINGS[binding.key]
            assert action in actions, f"{owner.__name__}: {binding.key} means {meaning!r} and is not {action}"
            seen.add(binding.key)
    assert {"j", "G", "p", "r", "s", "o"} <= seen


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ({"runs.fly": "f9"}, "runs.fly"),
        ({"runs.stop": "e"}, "runs.extend"),
        ({"runs.stop": "q"}, "app.leave"),
        ({"app.help": "s"}, "runs.stop"),
        ({"runs.stop": "j"}, "list.down"),
    ],
)
def test_an_entry_that_cannot_be_used_costs_no_other(keys: dict[str, str], mistake: str) -> None:
    good = {"runs.new": "f5", "watch.stop": "f9"}
    used, mistakes = usable_keys({**keys, **good}, all_bindings())
    assert used == good
    assert len(mistakes) == 1
    assert mistake in mistakes[0]


def test_default_keys_and_keys_of_different_screens_do_not_clash() -> None:
    everything = {name: key for name, (key, _) in all_bindings().items()}
    assert usable_keys(everything, all_bindings()) == (everything, [])
    keys = {"runs.stop": "f9", "watch.stop": "f9"}
    assert usable_keys(keys, all_bindings()) == (keys, [])


def test_keys_of_earlier_versions_are_understood() -> None:
    """Smoothing and steps are options of the charts now."""
    old = {"watch.smooth": "f8", "watch.steps": "f9", "compare.outliers": "f10", "runs.earlier": "["}
    used, mistakes = usable_keys(old, all_bindings())
    assert used == {"watch.options": "f8", "compare.options": "f10", "runs.earlier": "["}
    assert not mistakes
