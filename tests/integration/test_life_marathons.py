"""Short marathons: deaths, stalls, SIGHUP, upgrades one after the other under load of every protocol. `make soak` runs them at length."""
import pytest

from conftest import wait_until
from leftovers import Leftovers
from load import Load
from marathon import SANITIZED, Churn, House, generations
from mixture import Mixture, Servers
from null import Null, came_in_time

pytestmark = pytest.mark.alone

CHANNELS = 3  # to the guard, to the master, to the thread of the spool file
FIRST_BYTE, FIRST_BYTE_STALLED = (0.25, 0.5) if not SANITIZED else (1.0, 1.5)


@pytest.fixture
def servers(tmp_path):
    made = Servers(tmp_path)
    yield made
    made.close()


def at_rest(router):
    """Leftovers, once no worker has any socket of its own but its channels: lanes are gone (worker/udp_lane.c)."""
    found = Leftovers(router)
    return found if all(counts["sockets"] == CHANNELS for counts in found.start.values()) else None


@pytest.fixture
def house(tmp_path, programs):
    made = []

    def start(**options):
        made.append(House(tmp_path, programs, seed=1, **options))
        made[-1].router.leftovers = wait_until("UDP sockets have been dealt out", lambda: at_rest(made[-1].router))
        return made[-1]
    yield start
    for one in made:
        if one.servers:
            one.hangup(datagrams=False)  # its sessions would last a while


def only_excused(load):
    load.stop()
    assert not load.problems, load.problems


@pytest.mark.parametrize("stalled, most", [(False, FIRST_BYTE), (True, FIRST_BYTE_STALLED)], ids=["killed", "stalled"])
def test_workers_cost_only_what_they_had_accepted(house, stalled, most):
    house, null = house(workers=3), Null()
    house.load = load = Load(house.port, fresh=6, kept=12, pause=0.005)
    for _ in range(4):
        if stalled:
            house.stall_worker(0.8)
        else:
            house.kill_worker()
        load.more(100)
    only_excused(load)
    assert load.done > 300
    assert came_in_time(load, 0.999, most, null)


def test_workers_cost_only_what_they_had_accepted_of_any_protocol(house, servers):
    house = house(workers=3, servers=servers)
    house.load = load = Mixture(house, library=False, reopen=True)
    for turn in range(6):
        if turn % 2:
            house.stall_worker(0.6)
        else:
            assert house.kill_worker()
        load.more()
    only_excused(load)
    assert load.excused, "a worker was killed that had nothing"


def test_nothing_at_all_may_fail(house, servers):
    house = house(workers=4, servers=servers)
    house.load = load = Mixture(house, fresh=4, kept=8, websockets=10, downloads=2)
    for turn in range(3):
        house.hangup(workers=(2, 4)[turn % 2], other=turn % 2 == 0)
        house.kill_master()
        house.upgrade("broken" if turn % 2 else "same")
        load.more(1)
    house.hangup(workers=4)
    house.upgrade("same")
    house.hangup()
    load.more()
    load.clean()
    warnings = [line for line in house.router.log().splitlines() if " WRN " in line and "is silent: worker" not in line]
    assert not warnings, warnings


def test_another_build_takes_over_from_another(house, servers):
    house = house(workers=2, servers=servers)
    house.load = load = Mixture(house)
    for to in ("another", "broken", "another"):
        house.upgrade(to)
        load.more()
    load.clean()


def test_generations_that_follow_fast(house, servers):
    house = house(servers=servers)
    house.load = load = Mixture(house)
    churn, first = Churn(house, 50), generations(house.router)
    wait_until("many generations", lambda: generations(house.router) > first + 100)
    load.more()
    churn.stop()
    load.clean()
    wait_until("few pages are mapped", lambda: house.pages() <= 1)
