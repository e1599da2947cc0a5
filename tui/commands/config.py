"""``config``: the settings file with every setting explained, and what is wrong with the existing one."""

import argparse

from tui.shell.printing import DONE, print_data, print_note
from tui.shell.settings import read_settings, settings_file, template


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints a settings file in which every setting is explained and has its default; "
        f"the app reads {settings_file()}."
    )


def run(args: argparse.Namespace) -> int:
    from tui.app import all_bindings  # imports every screen
    from tui.shell.keymap import usable_keys

    known = all_bindings()
    print_data(template(known), end="")
    path = settings_file()
    if path.exists():
        settings, mistakes = read_settings(path)
        for mistake in [*mistakes, *usable_keys(settings.keys, known)[1]]:
            print_note(mistake)
        print_note(f"{path} is in effect")
    else:
        print_note(f"there is no settings file yet: mkdir -p {path.parent} && genre-tui config > {path}")
    return DONE
