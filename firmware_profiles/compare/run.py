"""Rehearses the cases of a comparison, several at once, each in a process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process

from firmware_profiles.compare.cases import Case
from firmware_profiles.compare.outcome import Outcome
from firmware_profiles.compare.study import Study
from firmware_profiles.report.record import RunRecord
from firmware_profiles.simulate.run import Plan, Rehearsal, Training


def rehearse(study: Study, case: Case) -> RunRecord:
    """One case; the same arguments give the same record on one type of processor."""
    plan = Plan(
        case.fleet(study.fleet),
        study.parts,
        study.span_ms,
        case.situation.seed,
        Training.REAL,
        sleep=case.policy.sleep,
        policy=case.policy.value,
    )
    return Rehearsal(plan).run()


def outcome(study: Study, case: Case) -> Outcome:
    """What a case showed."""
    return Outcome.of(case, rehearse(study, case))


def rehearse_all(
    study: Study, wanted: Iterable[Case], done: Callable[[Outcome], None], processes: int = 0
) -> None:
    """All of them, so many at once (0: one a core); `done` is told of each as it ends. What one raises is
    raised here, and so is Ctrl-C: at once, those that run are given up."""
    count = processes or len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(count, get_context("spawn"), _leave_stopping_to_the_parent) as pool:
        running: list[Future[Outcome]] = [pool.submit(outcome, study, case) for case in wanted]
        try:
            for one in as_completed(running):
                done(one.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in active_children():
                child.terminate()
            raise


def _leave_stopping_to_the_parent() -> None:
    """In a process of the pool: Ctrl-C in a terminal reaches it, too, and would end it with a traceback. One
    whose parent was killed would wait for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, name="parent", daemon=True).start()


def _end_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
