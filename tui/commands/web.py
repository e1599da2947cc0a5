"""``web``: the app in a browser."""

import argparse

from core.serving.access import choose_token
from tui.commands.common import add_runs_option, narrate, runs_dir
from tui.commands.serve import add_address_options, address_of, require
from tui.exits import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_address_options(parser, 8081)
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    require(("textual_serve",), "web")
    from tui.web import WebServer

    # Whoever can open the app can read folders and start processes, and a loopback address is everybody's on a shared
    # machine: a token is needed there too.
    token = choose_token(args.host, args.token_file, insecure=args.insecure, always=True)
    server = WebServer(args.host, args.port, token, ["--runs", str(runs_dir(args).absolute())])
    narrate(f"the app is on {address_of(args.host, args.port, token)} until ctrl-c")
    server.serve()
    return DONE
