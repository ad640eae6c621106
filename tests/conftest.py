"""What holds for every test."""

from __future__ import annotations

import signal
import threading


def pytest_configure() -> None:
    """Let signals mean something again where the tests were started in the background.

    A shell without job control starts what it puts behind itself with SIGINT ignored, nohup with SIGHUP,
    and whatever that starts inherits it: nothing that the tests run could then be interrupted.
    """
    from hypothesis import settings  # its own plugin has imported it by now

    # Machines that run tests are shared: how long an example takes says nothing.
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")
    if threading.current_thread() is not threading.main_thread():
        return
    for number, action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, action)
