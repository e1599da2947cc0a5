"""``web``: the app in a browser."""

import argparse

from core.server.auth import bind, choose_token
from tui.commands.common import add_runs_option, runs_dir
from tui.commands.exit_codes import DONE
from tui.commands.serve import add_address_options, address_of
from tui.shell.printing import print_note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_address_options(parser, 8081)
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    from tui.shell.browser import WebServer

    # The app can read folders and start processes, and every user of a shared machine can reach a loopback address:
    # a token is needed there too.
    token = choose_token(args.host, args.token_file, insecure=args.insecure, always=True)
    app = ["--runs", str(runs_dir(args).absolute())]
    with bind(args.host, args.port) as listener:
        address = address_of(args, listener.getsockname()[1], token)
        WebServer(listener, token, app, args.public_url).run(
            lambda: print_note(f"the app is on {address} until ctrl-c")
        )
    return DONE
