"""Configurations that follow fast: no connection of any kind notices, no callback is long, nothing piles up.

The histogram is weir's own (shm/laps.h), in CPU time: how busy the machine is does not matter. `make soak` runs the same
for as long as one likes.
"""
import pytest

from conftest import wait_until
from load import Load
from marathon import SANITIZED, Churn, House, generations, short_callbacks


@pytest.fixture
def house(tmp_path, programs):
    return lambda **options: House(tmp_path, programs, **options)


def pass_generations(house, count):
    first = generations(house.router)
    wait_until("many generations", lambda: generations(house.router) >= first + count)


@pytest.mark.alone
def test_fifty_generations_a_second(house):
    house = house()
    house.load = Load(house.port, fresh=2, kept=64, websockets=20, downloads=10, uploads=10)
    churn = Churn(house, 50)
    wait_until("buffers and pools have their size", lambda: generations(house.router) > 50)
    before = house.pss_kib()
    short_callbacks(house, lambda: pass_generations(house, 150))
    churn.stop()
    house.load.clean()
    if not SANITIZED:
        wait_until("as small as before", lambda: house.pss_kib() <= before * 1.1 + 2048)
    wait_until("one generation is mapped", lambda: house.pages() == 1)


def test_websockets_hold_no_generation(house):
    house = house()
    churn = Churn(house, 50)
    loads, first = [], generations(house.router)
    for _ in range(20):
        loads.append(Load(house.port, fresh=0, kept=0, websockets=10))
        wait_until("few pages are mapped", lambda: house.pages() <= 4)
    wait_until("many generations", lambda: generations(house.router) > first + 100)
    wait_until("few pages are mapped", lambda: house.pages() <= 4)
    churn.stop()
    echoes = [load.echoes for load in loads]
    wait_until("all are alive", lambda: all(load.echoes >= was + 10 for load, was in zip(loads, echoes)))
    for load in loads:
        assert not load.stop(), load.problems


@pytest.mark.parametrize("regex", [False, True], ids=["plain", "regex"])
def test_large_configurations_are_swapped_in_short_callbacks(house, regex):
    house = house(routers=10000, regex=regex)
    house.load = Load(house.port, fresh=1, kept=4, websockets=2)
    def changes():
        for _ in range(4):
            mark = house.router.mark()
            house.change_file()
            house.router.wait_log(r"Configuration changed", mark)

    short_callbacks(house, changes)
    house.load.clean()
