# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which failed connections a run waits for, and what is said of them, in words of libpq 15 and 17 and of servers."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.defs.operations.database_server import is_of_an_outage, server_sentence
from ttapi_pipeline.defs.operations.instance_errors import instance_errors

AT = 'connection to server at "db.example" (10.0.0.7), port 5432 failed: '


@pytest.mark.parametrize(
    "said",
    [
        f"{AT}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n",
        f"{AT}timeout expired\n",
        f"{AT}server closed the connection unexpectedly\n",
        f"{AT}No route to host\n",
        f"{AT}FATAL:  the database system is starting up\n",
        f"{AT}FATAL:  the database system is shutting down\n",
        f"{AT}FATAL:  the database system is in recovery mode\n",
        f"{AT}FATAL:  the database system is not yet accepting connections\n",
        f"{AT}FATAL:  sorry, too many clients already\n",
        # What a user is told who is no superuser, in the two spellings of Postgres to 15 and since.
        f"{AT}FATAL:  remaining connection slots are reserved for non-replication superuser connections\n",
        f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute\n",
        # PgBouncer's, while the server behind it is away.
        f"{AT}FATAL:  server login has been failing, cached error: connect failed (server_login_retry)\n",
        f"{AT}FATAL:  terminating connection due to administrator command\n",
        'could not translate host name "db.example" to address: Temporary failure in name resolution\n',
    ],
)
def test_a_server_that_is_restarted_or_moved_is_waited_for(said: str) -> None:
    assert is_of_an_outage(said)


@pytest.mark.parametrize(
    "said",
    [
        f'{AT}FATAL:  password authentication failed for user "dagster"\n',
        f'{AT}FATAL:  database "dagster" does not exist\n',
        f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "dagster", database "dagster", no encryption\n',
    ],
)
def test_what_somebody_has_to_mend_is_not(said: str) -> None:
    assert not is_of_an_outage(said)


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        (f"{AT}Connection refused", "start it, or correct its address"),
        (f"{AT}timeout expired", "start it, or correct its address"),
        (f'{AT}FATAL:  password authentication failed for user "dagster"', "correct the user and the password"),
        (f"{AT}fe_sendauth: no password supplied", "correct the user and the password"),
        (f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.9"', "have the server let this user and this machine in"),
        (f'{AT}FATAL:  database "dagster" does not exist', "make it on the server, or correct its name"),
        ('could not translate host name "db.example" to address: Name or service not known', "correct the name of"),
        ("server closed the connection unexpectedly", "look whether it is well, and try again"),
        ("terminating connection due to administrator command", "look whether it is well, and try again"),
    ],
)
def test_what_a_server_says_is_one_sentence_with_its_way_out(said: str, way_out: str) -> None:
    failed = OperationalError("INSERT INTO kvs ...", {"secret": 1}, RuntimeError(f"{said}\n\tand more\n"))
    with pytest.raises(StorageError) as raised, instance_errors("/home/of/the/instance"):
        raise failed
    words = " ".join(said.split())
    assert str(raised.value).startswith(f"Dagster's database: {words}; {way_out}")
    assert str(raised.value).endswith(
        "(in dagster.yaml, or in the variables that it names). What is stored stays whole"
    )


def test_the_rest_of_a_password_that_was_taken_for_a_host_is_struck_out() -> None:
    # Of the URL postgresql+psycopg2://dagster:s3c@r3t@db/dagster, whose first @ is not written as %40.
    assert str(
        server_sentence('could not translate host name "r3t@db" to address: Name or service not known')
    ).startswith('Dagster\'s database: could not translate host name "***@db" to address: ')
