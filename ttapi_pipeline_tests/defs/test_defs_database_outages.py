# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which failed connections a run waits for. The sentences are those of libpq 15 and 17 and of the server."""

from __future__ import annotations

import pytest

from ttapi_pipeline.defs.operations.database_outages import is_of_an_outage

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
        f"{AT}FATAL:  sorry, too many clients already\n",
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
