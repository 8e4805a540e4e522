"""A trace says what stands in its file, comes round where it ends, and a wrong file is answered in one line."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.clocks import Trace
from fedkd.clocks.trace import Table
from fedkd.clocks.trace_file import read
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError

HEADER = "client_id,round,seconds\n"
LINKS = "client_id,round,seconds,mbit_up,mbit_down\n"


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "trace.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def seconds(path: Path, round_: int, clients: list[int]) -> list[float]:
    nothing = [0] * len(clients)
    return Trace(str(path), 1.0, 1.0).seconds(round_, clients, nothing, nothing, nothing, seed=0).tolist()


def test_rows_say_how_long_a_client_computes(tmp_path):
    path = written(tmp_path, HEADER + "1,1,4\n0,0,1.5\n1,0,3\n0,1,2e0\n")
    assert seconds(path, 0, [0, 1]) == [1.5, 3.0]
    assert seconds(path, 1, [1, 0]) == [4.0, 2.0]


def test_bytes_come_on_top_and_work_counts_for_nothing(tmp_path):
    law = Trace(str(written(tmp_path, HEADER + "0,0,10\n")), mbit_up=1.0, mbit_down=2.0)
    assert law.seconds(0, [0], [99], [250_000], [125_000], seed=5).tolist() == [10.0 + 1.0 + 1.0]


def sending(path: Path, round_: int, clients: list[int]) -> list[float]:
    """Megabits, one up and one down, at 2 Mbit/s up and 4 down where the file says nothing."""
    one = [125_000] * len(clients)
    return (
        Trace(str(path), mbit_up=2.0, mbit_down=4.0).seconds(round_, clients, [0] * len(clients), one, one, 0).tolist()
    )


def test_a_row_may_say_how_fast_the_link_is(tmp_path):
    path = written(tmp_path, LINKS + "0,0,10,8,16\n0,1,10,,16\n1,0,10,8, \n1,1,10,,\n")
    assert sending(path, 0, [0, 1]) == [10 + 1 / 8 + 1 / 16, 10 + 1 / 8 + 1 / 4]
    assert sending(path, 1, [1, 0]) == [10 + 1 / 2 + 1 / 4, 10 + 1 / 2 + 1 / 16]
    assert sending(path, 2, [4]) == [10 + 1 / 8 + 1 / 16], "another client, another round: the whole row of client 0"


@pytest.mark.parametrize(
    ("more", "row", "seconds"),
    [("mbit_down", "8", 1 / 2 + 1 / 8), ("mbit_up", "8", 1 / 8 + 1 / 4), ("mbit_down,mbit_up", "8,1", 1 / 8 + 1)],
)
def test_either_direction_may_be_said_alone_and_in_either_order(tmp_path, more, row, seconds):
    path = written(tmp_path, f"client_id,round,seconds,{more}\n0,0,0,{row}\n")
    assert sending(path, 0, [0]) == [seconds]


def test_clients_and_rounds_come_round(tmp_path):
    path = written(tmp_path, HEADER + "2,0,1\n2,1,2\n2,5,3\n7,0,10\n")
    assert [seconds(path, round_, [2])[0] for round_ in range(8)] == [1, 2, 3, 1, 2, 3, 1, 2]
    assert seconds(path, 0, [2, 7, 0, 1, 3, 8]) == [1, 10, 1, 10, 10, 1], "even numbers as 2, odd ones as 7"
    assert seconds(path, 4, [7, 9]) == [10, 10]


CELLS = st.dictionaries(st.tuples(st.integers(0, 12), st.integers(0, 9)), st.integers(0, 99), min_size=1)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(cells=CELLS, round_=st.integers(0, 25), clients=st.lists(st.integers(0, 30), unique=True))
def test_the_table_is_the_definition(tmp_path_factory, cells, round_, clients):
    def said(client: int) -> float:
        known = sorted({client for client, _ in cells})
        client = client if client in known else known[client % len(known)]
        rounds = sorted(round_ for owner, round_ in cells if owner == client)
        return cells[client, round_ if round_ in rounds else rounds[round_ % len(rounds)]]

    path = written(tmp_path_factory.getbasetemp(), HEADER + "".join(f"{i},{k},{v}\n" for (i, k), v in cells.items()))
    assert seconds(path, round_, clients) == [said(client) for client in clients]


def test_spaces_a_byte_order_mark_and_empty_lines_are_borne(tmp_path):
    path = written(tmp_path, "\ufeffclient_id, round, seconds\r\n0, 0, 1.5\r\n\r\n1, 0, 2\r\n")
    assert seconds(path, 0, [0, 1]) == [1.5, 2.0]


@pytest.mark.parametrize(
    ("content", "fault", "fix"),
    [
        ("", "line 1 has the columns ''", "name them client_id,round,seconds"),
        ("client,round,seconds\n0,0,1\n", "line 1 has the columns 'client,round,seconds'", "name them client_id,"),
        (HEADER, "has no rows", "give lines of client_id,round,seconds"),
        (HEADER + "0,0\n", "line 2 has 2 values, not 3", "give client_id,round,seconds"),
        (LINKS + "0,0,1,2\n", "line 2 has 4 values, not 5", "give client_id,round,seconds,mbit_up,mbit_down"),
        (LINKS + "0,0,1,0,2\n", "line 2 has mbit_up=0, which is not in (0, inf)", "give million bits a second"),
        (LINKS + "0,0,1,2,-1\n", "line 2 has mbit_down=-1, which is not in (0, inf)", "give million bits a second"),
        (LINKS + "0,0,1,inf,2\n", "line 2 has mbit_up=inf, which is not in (0, inf)", "give million bits a second"),
        (LINKS + "0,0,1,nan,2\n", "line 2 has mbit_up=nan, which is not in (0, inf)", "give million bits a second"),
        (LINKS + "0,0,1,2,fast\n", "line 2 has mbit_down=fast, which is not in (0, inf)", "give million bits a second"),
        ("client_id,round,seconds,mbit\n0,0,1,2\n", "line 1 has the columns 'client_id,round,seconds,mbit'", "mbit_up"),
        ("client_id,round,seconds,mbit_up,mbit_up\n", "line 1 has the columns", "name them client_id,round,seconds"),
        (HEADER + "0,0,1\n\n0,1,fast\n", "line 4 has seconds=fast, which is not in [0, inf)", "give a number"),
        (HEADER + "0,0,-1\n", "line 2 has seconds=-1, which is not in [0, inf)", "give a number of seconds"),
        (HEADER + "0,0,nan\n", "line 2 has seconds=nan, which is not in [0, inf)", "give a number of seconds"),
        (HEADER + "0,0,inf\n", "line 2 has seconds=inf, which is not in [0, inf)", "give a number of seconds"),
        (HEADER + "a,0,1\n", "line 2 has client_id=a, which is no integer in [0, 2^32 - 1)", "count from 0"),
        (HEADER + "4294967295,0,1\n", "line 2 has client_id=4294967295, which is no integer", "count from 0"),
        (HEADER + "0,1.5,1\n", "line 2 has round=1.5, which is no integer in [0, 2^32 - 1)", "count from 0"),
        (HEADER + "0,0,1\n1,0,1\n0,0,2\n", "line 4 tells of client 0, round 0 again", "keep one"),
        (b"client_id,round,seconds\n\xff,0,1\n", "cannot be read ('utf-8' codec", "give a CSV file in UTF-8"),
        (HEADER + '"0,0,1\n', "cannot be read (unexpected end of data)", "give a CSV file in UTF-8"),
    ],
)
def test_a_wrong_file_is_answered_in_one_line(tmp_path, content, fault, fix):
    path = written(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        Trace(str(path), 1.0, 1.0).check()
    message = str(caught.value)
    assert message.startswith(f"Trace: {path}")
    assert fault in message
    assert fix in message
    assert "\n" not in message


def test_a_missing_file_is_named_before_anything_is_loaded(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        settings = Settings.of(compose(["latency=trace", f"latency.path={path}"]))
        with pytest.raises(ConfigurationError, match=r"Trace: .* is missing; set latency.path to a CSV file"):
            check(settings)


def test_the_file_is_read_once(tmp_path):
    path = written(tmp_path, HEADER + "0,0,1\n")
    law = Trace(str(path), 1.0, 1.0)
    law.check()
    path.unlink()
    assert law.seconds(3, [4], [0], [0], [0], seed=0).tolist() == [1.0]


def test_rows_are_kept_by_client_and_round(tmp_path):
    table = Table.of(read(written(tmp_path, HEADER + "5,1,3\n2,0,1\n5,0,2\n")))
    assert [column.tolist() for column in (table.clients, table.starts, table.rounds, table.values[0])] == [
        [2, 5],
        [0, 1, 3],
        [0, 0, 1],
        [1.0, 2.0, 3.0],
    ]
