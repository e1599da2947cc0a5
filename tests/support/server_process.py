"""A server in a process of its own, as tests start it: ``python -m tests.support.server_process JSON``.

The JSON holds ``model``, ``runs``, ``limits`` (fields that differ from the defaults) and ``token``. The first line on
standard output is the port.
"""

import json
import sys
from pathlib import Path

from core.inference.classifier import Classifier
from core.server.auth import bind
from core.server.limits import Limits
from core.server.server import run_server
from core.server.service import Service


def main() -> None:
    asked = json.loads(sys.argv[1])
    with bind("127.0.0.1", 0) as listener:
        service = Service(Classifier.load(asked["model"], "cpu"), Path(asked["runs"]), Limits(**asked["limits"]))
        port = listener.getsockname()[1]
        run_server(service, listener, asked["token"], lambda: print(port, flush=True), asked["public_url"])


if __name__ == "__main__":
    main()
