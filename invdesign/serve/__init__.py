"""Web page of a run for a group: the open batch, its results, status and report, on the loopback address."""

from invdesign.serve.access import Access
from invdesign.serve.app import make_app
from invdesign.serve.server import serve

__all__ = ["Access", "make_app", "serve"]
