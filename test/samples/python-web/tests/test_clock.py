import pytest

from clock import app, part_of_day


@pytest.mark.parametrize("hour,part", [(0, "night"), (12, "day"), (23, "night")])
def test_part_of_day(hour, part):
    assert part_of_day(hour) == part


def test_unknown_hour():
    assert app.test_client().get("/parts/24").status_code == 404


@pytest.mark.skip(reason="needs a clock that can be set")
def test_midnight():
    raise NotImplementedError
