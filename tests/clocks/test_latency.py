"""Virtual seconds are a pure function of what a client does, the seed, the round and the client."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.clocks import Constant, Instant, Latency, Lognormal, Trace
from fedkd.clocks.latency import transfer
from fedkd.errors import ConfigurationError

CLIENTS = 4000
SIGMAS = 5
UNEQUAL = Lognormal(
    seconds_a_sample=0.01, sigma_clients=0.6, sigma_rounds=0.3, sigma_links=0.0, mbit_up=2.0, mbit_down=8.0
)
LAWS = ["instant", "constant", "lognormal", "links", "trace"]


@pytest.fixture(scope="module")
def laws(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Latency]:
    path = tmp_path_factory.mktemp("traces") / "trace.csv"
    path.write_text("client_id,round,seconds\n0,0,1.5\n3,0,2.5\n3,1,4\n")
    return {
        "instant": Instant(),
        "constant": Constant(seconds_a_sample=0.01, mbit_up=2.0, mbit_down=8.0),
        "lognormal": UNEQUAL,
        "links": replace(UNEQUAL, sigma_links=0.5),
        "trace": Trace(str(path), mbit_up=2.0, mbit_down=8.0),
    }


def of(law: Latency, clients: list[int], round_: int = 3, seed: int = 7) -> dict[int, float]:
    """Seconds by client, where what a client does follows from its number."""
    work, down, up = [5 + i % 7 for i in clients], [1000 * (i % 3) for i in clients], [10 * i for i in clients]
    seconds = law.seconds(round_, clients, work, down, up, seed)
    assert (seconds.shape, seconds.dtype) == ((len(clients),), np.float64)
    return dict(zip(clients, seconds.tolist(), strict=True))


def compute(law: Latency, round_: int, seed: int = 0, clients: int = CLIENTS) -> np.ndarray:
    """Seconds without any bytes, one sample each."""
    nothing = [0] * clients
    return law.seconds(round_, range(clients), [1.0] * clients, nothing, nothing, seed)


@pytest.mark.parametrize("name", LAWS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 300), unique=True), st.randoms(use_true_random=False))
def test_neither_order_nor_company_matters(name, laws, clients, random):
    law, everyone = laws[name], of(laws[name], list(range(301)))
    random.shuffle(clients)
    assert of(law, clients) == {client: everyone[client] for client in clients}


@pytest.mark.parametrize("name", LAWS)
def test_seconds_are_finite_and_not_negative(name, laws):
    assert all(0 <= value < math.inf for value in of(laws[name], list(range(200))).values())


def test_125000_bytes_take_a_second_at_one_mbit():
    assert transfer([125_000, 0, 250_000], 1.0).tolist() == [1.0, 0.0, 2.0]
    assert transfer([125_000], 8.0).tolist() == [0.125]


def test_receiving_computing_and_sending_add_up():
    law = Constant(seconds_a_sample=0.5, mbit_up=1.0, mbit_down=4.0)
    seconds = law.seconds(0, [9, 4], [6, 0], [1_000_000, 0], [375_000, 125_000], seed=0)
    assert seconds.tolist() == [2.0 + 3.0 + 3.0, 0.0 + 0.0 + 1.0]


def test_instant_takes_no_time():
    assert Instant().seconds(0, [0, 1], [10, 10], [10**9, 0], [10**9, 0], seed=0).tolist() == [0.0, 0.0]


def test_work_multiplies_and_bytes_add_where_clients_differ():
    once, thrice = (UNEQUAL.seconds(1, [5], [work], [0], [0], 0)[0] for work in (1, 3))
    assert thrice == pytest.approx(3 * once, rel=1e-12)
    assert UNEQUAL.seconds(1, [5], [1], [1_000_000], [250_000], 0)[0] == pytest.approx(once + 1.0 + 1.0, rel=1e-12)


def test_the_median_is_the_one_of_the_configuration():
    """Half of the clients are slower: 5 sigma of a fair coin."""
    for round_ in range(3):
        slower = int((compute(UNEQUAL, round_) > 0.01).sum())
        assert abs(slower - CLIENTS / 2) < SIGMAS * math.sqrt(CLIENTS) / 2


def test_the_logarithm_has_the_variances_of_clients_and_of_rounds():
    """Within clients s_r^2; of clients' means over 40 rounds s_c^2 + s_r^2 / 40; a variance of n errs by sqrt(2/n)."""
    rounds = 40
    logs = np.log([compute(UNEQUAL, round_) for round_ in range(rounds)])
    within = logs.var(axis=0, ddof=1).mean()
    between = logs.mean(axis=0).var(ddof=1)
    assert within == pytest.approx(0.3**2, rel=SIGMAS * math.sqrt(2 / (CLIENTS * (rounds - 1))))
    assert between == pytest.approx(0.6**2 + 0.3**2 / rounds, rel=SIGMAS * math.sqrt(2 / CLIENTS))


def test_speeds_stay_and_factors_change():
    own = Lognormal(1.0, sigma_clients=0.5, sigma_rounds=0.0, sigma_links=0.0, mbit_up=1.0, mbit_down=1.0)
    assert np.array_equal(compute(own, 0), compute(own, 9))
    assert not np.any(compute(own, 0, seed=1) == compute(own, 0, seed=2))
    drawn = Lognormal(1.0, sigma_clients=0.0, sigma_rounds=0.5, sigma_links=0.0, mbit_up=1.0, mbit_down=1.0)
    first, second = np.log(compute(drawn, 0)), np.log(compute(drawn, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < SIGMAS / math.sqrt(CLIENTS)
    assert abs(np.corrcoef(first, np.log(compute(own, 0)))[0, 1]) < SIGMAS / math.sqrt(CLIENTS)


def sent(law: Latency, up: int = 0, down: int = 0, round_: int = 0, seed: int = 0) -> np.ndarray:
    """Seconds that messages of so many bytes take each client."""
    return law.seconds(round_, range(CLIENTS), [0.0] * CLIENTS, [down] * CLIENTS, [up] * CLIENTS, seed)


def test_a_clients_bandwidths_are_drawn_once_and_up_and_down_scale_together():
    law = replace(UNEQUAL, sigma_links=0.5)
    up, down = sent(law, up=125_000), sent(law, down=125_000)
    assert up == pytest.approx(4 * down, rel=1e-12), "2 and 8 Mbit/s"
    assert np.array_equal(up, sent(law, up=125_000, round_=9))
    assert not np.any(up == sent(law, up=125_000, seed=1))
    assert sent(law, up=10, down=20) == pytest.approx(sent(law, up=10) + sent(law, down=20), rel=1e-12)


def test_bandwidths_have_the_median_and_the_variance_of_the_configuration():
    """A fair coin says who is below the median; the variance of n logarithms errs by sqrt(2/n)."""
    logs = np.log(2.0 * sent(replace(UNEQUAL, sigma_links=0.5), up=125_000))
    assert abs(int((logs < 0).sum()) - CLIENTS / 2) < SIGMAS * math.sqrt(CLIENTS) / 2
    assert logs.var(ddof=1) == pytest.approx(0.5**2, rel=SIGMAS * math.sqrt(2 / CLIENTS))


def test_a_links_speed_says_nothing_of_a_clients():
    law = replace(UNEQUAL, sigma_links=0.5, sigma_rounds=0.0)
    found = np.corrcoef(np.log(sent(law, up=125_000)), np.log(compute(law, 0)))[0, 1]
    assert abs(found) < SIGMAS / math.sqrt(CLIENTS)
    assert np.array_equal(compute(law, 3), compute(replace(law, sigma_links=0.0), 3)), "computing is as it was"


def test_without_sigmas_clients_are_equal():
    equal = Lognormal(0.01, 0.0, 0.0, 0.0, mbit_up=2.0, mbit_down=8.0)
    assert of(equal, [4, 0, 9]) == of(Constant(0.01, 2.0, 8.0), [4, 0, 9])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1.0, 1.0, 1.0), "Constant: seconds_a_sample=-1.0 is not in [0, inf); choose"),
        (lambda: Constant(1.0, 0.0, 1.0), "Constant: mbit_up=0.0 is not in (0, inf); choose mbit_up > 0"),
        (lambda: Lognormal(1.0, 11.0, 0.0, 0.0, 1.0, 1.0), "Lognormal: sigma_clients=11.0 is outside [0, 10]; choose"),
        (lambda: Lognormal(1.0, 0.0, -0.1, 0.0, 1.0, 1.0), "Lognormal: sigma_rounds=-0.1 is outside [0, 10]; choose"),
        (lambda: Lognormal(1.0, 0.0, 0.0, 10.5, 1.0, 1.0), "Lognormal: sigma_links=10.5 is outside [0, 10]; choose"),
        (lambda: Lognormal(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "Lognormal: mbit_down=0.0 is not in (0, inf); choose"),
        (lambda: Trace("x", 0.0, 1.0), "Trace: mbit_up=0.0 is not in (0, inf); choose"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_the_largest_sigmas_give_finite_seconds():
    law = Lognormal(1.0, 10.0, 10.0, 10.0, 1.0, 1.0)
    assert np.isfinite(compute(law, 0)).all()
    assert np.isfinite(law.seconds(0, range(CLIENTS), [0.0] * CLIENTS, [10**9] * CLIENTS, [10**9] * CLIENTS, 0)).all()
