import logging
import threading

from survey.engine.periodic import every


def test_an_error_that_stays_is_logged_once_and_again_after_it_had_gone(caplog) -> None:
    full, gone = OSError(28, "No space left on device"), ValueError("another")
    errors = iter([full, full, full, None, full, gone, gone])
    done = threading.Event()

    def look() -> None:
        error = next(errors, done)
        if error is done:
            done.set()
        elif isinstance(error, Exception):
            raise error

    with caplog.at_level(logging.WARNING), every(0.001, look, "looking"):
        assert done.wait(10)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"looking failed: OSError: {full}",
        f"looking failed: OSError: {full}",
        "looking failed: ValueError: another",
    ]
