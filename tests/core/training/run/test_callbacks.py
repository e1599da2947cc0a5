"""Progress events are throttled."""

from core.training.run.callbacks import Throttle


def test_reports_come_ten_a_second_and_fewer_in_a_long_run() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)

    def reports(seconds: float) -> int:
        nonlocal now
        count = 0
        for _ in range(round(seconds * 100)):
            now += 0.01
            count += throttle.due()
        return count

    assert 9 <= reports(1.0) <= 10
    reports(2000.0)
    assert 9 <= reports(10.0) <= 11
