"""The server of the pages of a run, on the loopback address."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from invdesign.core import InvdesignError
from invdesign.runs import CampaignRun
from invdesign.serve.access import Access
from invdesign.serve.app import make_app

HOST = "127.0.0.1"
DEFAULT_PORT = 8765


def serve(
    run: CampaignRun[Any, Any],
    access: Access | None = None,
    *,
    port: int = DEFAULT_PORT,
    announce: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the pages of a run at the loopback address until Ctrl-C or SIGTERM.

    Other people reach it by a tunnel: `ssh -L 8765:127.0.0.1:8765 HOST`. While it runs, it is the one writer of the
    run: commands that write are refused.

    Args:
        run: The open run.
        access: Its token; by default a new one.
        port: Port, 0 for any free one.
        announce: Called with the address, token included, when the port is open.

    Raises:
        InvdesignError: The port is taken.
    """
    access = access or Access()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise InvdesignError(
                f"serve: port {port} of {HOST} cannot be used ({error}). Choose another one with --port, 0 for any"
            ) from error
        announce(f"http://{HOST}:{listener.getsockname()[1]}/?token={access.token}")
        config = uvicorn.Config(make_app(run, access), log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])
