"""Short marathons: deaths, stalls, SIGHUP, upgrades one after the other under load. `make soak` runs them at length."""
import pytest

from load import Load
from marathon import SANITIZED, House

pytestmark = pytest.mark.alone

FIRST_BYTE, FIRST_BYTE_STALLED = (0.25, 0.5) if not SANITIZED else (1.0, 1.5)


@pytest.fixture
def house(tmp_path, programs):
    return lambda **options: House(tmp_path, programs, seed=1, **options)


def only_excused(load):
    load.stop()
    assert not load.problems, load.problems


@pytest.mark.parametrize("stalled, most", [(False, FIRST_BYTE), (True, FIRST_BYTE_STALLED)], ids=["killed", "stalled"])
def test_workers_cost_only_what_they_had_accepted(house, stalled, most):
    house = house(workers=3)
    house.load = load = Load(house.port, fresh=6, kept=12, pause=0.005)
    for _ in range(4):
        if stalled:
            house.stall_worker(0.8)
        else:
            house.kill_worker()
        load.more(100)
    only_excused(load)
    assert load.done > 300
    assert load.percentile(0.999) < most


def test_nothing_at_all_may_fail(house):
    house = house(workers=4)
    house.load = load = Load(house.port, fresh=4, kept=8, websockets=10, downloads=2, uploads=2, pause=0.005)
    for turn in range(3):
        house.hangup(workers=(2, 4)[turn % 2], other=turn % 2 == 0)
        house.kill_master()
        house.upgrade("broken" if turn % 2 else "same")
    house.hangup(workers=4)
    house.upgrade("same")
    house.hangup()
    load.more()
    load.clean()
    assert not load.excused
    warnings = [line for line in house.router.log().splitlines() if " WRN " in line]
    assert not warnings, warnings
