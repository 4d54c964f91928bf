# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The part of `tt doctor` that looks at who is told what is wrong. Nothing is sent: see `tt alert --test`."""

from __future__ import annotations

from collections.abc import Iterator

from ttapi_pipeline.alerts.delivery import check_destination, destinations
from ttapi_pipeline.alerts.ledger import LedgerFile
from ttapi_pipeline.commands.examination import Finding
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.storage.layout import open_folder


def examine_alerts(settings: Settings) -> Iterator[Finding]:
    """Whether somebody is told, and whether every destination can be used and accepts messages."""
    places = destinations(settings.alert_urls)
    if not places:
        yield Finding("alerts", "TT_ALERT_URLS is not set, so nobody is told when a dataset fails", is_good=True)
        return
    try:
        failures = {place.name: check_destination(place) for place in places}
        refusals = LedgerFile(open_folder(settings.data_dir)).read().outbox.refusals
    except TTError as error:
        yield Finding("alerts", str(error), is_good=False)
        return
    for place in places:
        failure, refused = failures[place.name], refusals.get(place.name)
        if failure is not None:
            yield Finding("alerts", f"destination {place.name}: {failure}", is_good=False)
        elif refused is not None:
            text = f"the last {refused.count} tries were not accepted; `tt alert --test` says why"
            yield Finding("alerts", f"destination {place.name}: {text}", is_good=False)
        else:
            yield Finding("alerts", f"destination {place.name} is told; `tt alert --test` tries it", is_good=True)
