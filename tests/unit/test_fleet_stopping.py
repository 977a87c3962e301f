from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from firmware_profiles.commands.stopping import STOPPED, stoppable
from firmware_profiles.demo.processes import STOP_SIGNALS, uninterrupted
from tests.usual_signals import usual_signals


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    with usual_signals():
        yield


@pytest.mark.parametrize("first", STOP_SIGNALS)
def test_the_first_signal_ends_it_and_no_other_disturbs_the_end(
    first: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_well = False

    def run() -> None:
        nonlocal ended_well
        with stoppable(lambda: "all is well"):
            try:
                signal.raise_signal(first)
            finally:
                for number in STOP_SIGNALS:
                    signal.raise_signal(number)
                    with uninterrupted():
                        signal.raise_signal(number)
                ended_well = True

    with pytest.raises(SystemExit) as end:
        run()
    assert (end.value.code, ended_well) == (STOPPED, True)
    assert capsys.readouterr().err == "\nedge-fleet: stopped; all is well\n"
    assert {signal.getsignal(one) for one in STOP_SIGNALS} == {signal.SIG_IGN}, "until the process is gone"


def test_who_is_not_stopped_leaves_signals_as_they_were() -> None:
    before = [signal.getsignal(one) for one in STOP_SIGNALS]
    with stoppable(lambda: ""):
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(one) for one in STOP_SIGNALS] == before


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_what_must_not_be_interrupted_ends_first(number: signal.Signals) -> None:
    done, went_on = False, False

    def run() -> None:
        nonlocal done, went_on
        with stoppable(lambda: ""):
            with uninterrupted():
                signal.raise_signal(number)
                done = True
            went_on = True

    with pytest.raises(SystemExit):
        run()
    assert (done, went_on) == (True, False)


def test_outside_of_a_command_it_is_a_keyboard_interrupt() -> None:
    def run() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(KeyboardInterrupt):
        run()


def test_a_signal_that_a_shell_ignores_for_us_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stoppable(lambda: ""):
        signal.raise_signal(signal.SIGHUP)
        with uninterrupted():
            signal.raise_signal(signal.SIGHUP)
