"""``serve``: the classifier over HTTP, with a page for browsers; ``web``: the app in a browser."""

import argparse
from pathlib import Path

import msgspec

from core.inference.find_model import resolve_model
from core.server.auth import TOKEN_VARIABLE, bind, choose_token, is_loopback
from core.server.limits import MIB, Limits
from tui.commands.classify.classify import add_model_options
from tui.commands.common import add_runs_option, runs_dir
from tui.shell.printing import DONE, UsageError, print_note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    limits = Limits()
    add_address_options(parser, 8080)
    add_model_options(parser)
    parser.add_argument(
        "--max-body", type=int, default=limits.body_bytes // MIB, metavar="MIB", help="largest upload (%(default)s MiB)"
    )
    parser.add_argument(
        "--max-audio", type=float, default=limits.audio_seconds, metavar="S", help="longest sound (%(default)g s)"
    )
    parser.add_argument("--spool", type=Path, metavar="DIR", help="folder for uploads in progress (a temporary one)")
    add_runs_option(parser)


def add_address_options(parser: argparse.ArgumentParser, port: int) -> None:
    """Address and authentication, the same for every server."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s: this machine only)")
    parser.add_argument("--port", type=int, default=port, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help=f"file with the token that clients must send ({TOKEN_VARIABLE})"
    )
    parser.add_argument(
        "--public-url",
        default="",
        metavar="URL",
        help="address under which a proxy makes it reachable, prefix included",
    )
    parser.add_argument("--insecure", action="store_true", help="require no token, on any address")


def run(args: argparse.Namespace) -> int:
    from core.inference.classifier import Classifier
    from core.server.server import run_server
    from core.server.service import Service

    if args.max_body < 1 or not args.max_audio > 0:
        raise UsageError("--max-body must be at least 1, and --max-audio above 0")
    token = choose_token(args.host, args.token_file, insecure=args.insecure)
    limits = msgspec.structs.replace(Limits(), body_bytes=args.max_body * MIB, audio_seconds=args.max_audio)
    model, reason = resolve_model(args.model, runs_dir(args))
    # Bound before the model is loaded, to report a port in use at once.
    with bind(args.host, args.port) as listener:
        classifier = Classifier.load(model, args.device)
        service = Service(classifier, runs_dir(args), limits, args.spool)
        address = address_of(args, listener.getsockname()[1], token)
        ready = f"serving {classifier.model} ({reason}) on {address}"
        run_server(service, listener, token, lambda: print_note(ready), args.public_url)
    return DONE


def address_of(args: argparse.Namespace, port: int, token: str | None) -> str:
    """The address to open in a browser; with the token, which the page then keeps."""
    if not is_loopback(args.host) and token is None:
        print_note("warning: any client that can reach this address can use the server")
    name = f"[{args.host}]" if ":" in args.host else args.host
    address = args.public_url.rstrip("/") or f"http://{name}:{port}"
    return f"{address}/" + (f"?token={token}" if token else "")


def add_web_arguments(parser: argparse.ArgumentParser) -> None:
    add_address_options(parser, 8081)
    add_runs_option(parser)


def web(args: argparse.Namespace) -> int:
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
