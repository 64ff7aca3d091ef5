"""Oracle calls on a Ray cluster, or on this machine with Ray (extra `ray`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from invdesign.core import Call, InvdesignError, Oracle, OracleSetup, Outcome
from invdesign.execution.future_calls import FutureCalls, FutureLike, Place
from invdesign.execution.outcomes import Answer, WorkerLostError, call_oracle, check_at_least_one
from invdesign.execution.process_pool import check_portable


class RayActors:
    """Calls in worker processes of Ray: one that hangs is killed, one that crashes is replaced.

    A worker loads the oracle once, and measures one chunk of designs after the other. Ray is started on this machine
    where no address is given; on a cluster the oracle's module must be importable on every node.

    Args:
        setup: The oracle, an importable function or a partial of one.
        address: Address of a running cluster, e.g. `"auto"` on one of its nodes; None to start Ray here.
        workers: Number of workers.
        cpus: Cores that a worker holds.
        gpus: GPUs that a worker holds.
        timeout: Time that one design may take [s]; None for no limit.
        chunk: Designs of each call.
        allow_partial: Whether a row with some finite values counts as measured.

    Raises:
        InvdesignError: Ray is not installed, or the oracle cannot be sent to another process.
    """

    name = "ray"
    is_durable = False
    capacity = None

    def __init__(
        self,
        setup: OracleSetup,
        *,
        address: str | None = None,
        workers: int = 2,
        cpus: float = 1.0,
        gpus: float = 0.0,
        timeout: float | None = None,
        chunk: int = 1,
        allow_partial: bool = False,
    ) -> None:
        check_at_least_one("chunk", chunk)
        check_at_least_one("workers", workers)
        check_portable(setup.oracle)
        self._ray = _import_ray()
        self._oracle, self._address, self._workers = setup.oracle, address, workers
        self._resources = {"num_cpus": cpus, "num_gpus": gpus}
        self._is_ours = False
        self._idle: list[Any] = []
        self._ready: dict[Any, Any] = {}
        """What resolves when a worker has started, by worker."""
        self._busy: dict[Any, Any] = {}
        """Worker of each running call."""
        place = Place(self._start, stop=self._stop, is_running=self._is_running, finish=self._finish)
        self._calls = FutureCalls(
            setup, place, chunk=chunk, timeout=timeout, max_running=workers, allow_partial=allow_partial
        )

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Queue calls for the workers, which the first call starts."""
        self._calls.submit(calls)

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Return outcomes of the calls that ended."""
        return self._calls.poll(seconds)

    def cancel(self, ids: Collection[str]) -> None:
        """Stop calls; a worker that runs one is replaced."""
        self._calls.cancel(ids)

    def close(self) -> None:
        """End the workers, and Ray where it was started here."""
        self._calls.close()
        for worker in self._idle:
            self._ray.kill(worker)
        self._idle.clear()
        self._ready.clear()
        if self._is_ours:
            self._ray.shutdown()
            self._is_ours = False

    def _start(self, designs: list[Any]) -> FutureLike:
        worker = self._idle.pop() if self._idle else self._new_worker()
        future: FutureLike = worker.measure.remote(self._oracle, designs).future()
        self._busy[future] = worker
        return future

    def _new_worker(self) -> Any:
        if not self._ray.is_initialized():
            self._open()
        worker = self._ray.remote(**self._resources)(Worker).remote()
        self._ready[worker] = worker.is_ready.remote()
        return worker

    def _open(self) -> None:
        """Connect to the cluster, or start Ray here, whose workers find the modules that this process finds."""
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
        local = {} if self._address else {"num_cpus": self._workers, "include_dashboard": False}
        try:
            self._ray.init(address=self._address, log_to_driver=False, configure_logging=False, **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InvdesignError(
                f"ray: cannot connect to {self._address or 'a Ray of this machine'} ({error}). Start the cluster, or "
                "correct executor.address"
            ) from error
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
        self._is_ours = self._address is None

    def _is_running(self, future: Any) -> bool:
        """Return whether the worker of a call has started: the time of its start does not count."""
        ready, _ = self._ray.wait([self._ready[self._busy[future]]], timeout=0)
        return bool(ready)

    def _finish(self, future: Any, answer: Answer) -> Answer:
        """Take the worker of an ended call back, and return what the call ended with."""
        worker = self._busy.pop(future)
        errors = self._ray.exceptions
        if isinstance(answer, errors.RayActorError | errors.WorkerCrashedError | errors.OutOfMemoryError):
            del self._ready[worker]
            return WorkerLostError(f"the worker of Ray died ({' '.join(str(answer).split())})")
        self._idle.append(worker)
        return answer.cause if isinstance(answer, errors.RayTaskError) else answer

    def _stop(self, future: Any) -> None:
        worker = self._busy.pop(future)
        del self._ready[worker]
        self._ray.kill(worker)


class Worker:
    """A process of Ray that measures designs."""

    def is_ready(self) -> bool:
        """Return that the process runs."""
        return True

    def measure(self, oracle: Oracle, designs: list[Any]) -> tuple[Answer, float]:
        """Return the answer of the oracle and its duration [s]."""
        return call_oracle(oracle, designs)


def _import_ray() -> Any:
    """Return Ray.

    Raises:
        InvdesignError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise InvdesignError(
            "executor=ray: expected the package ray, which is not installed. Run pip install 'invdesign[ray]'"
        ) from error
    return ray
