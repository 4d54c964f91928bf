# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt metrics`: how every dataset is, in the text format of Prometheus. Which metrics: `terminal.status_metrics`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.commands.state_notes import breaker_states, last_failures
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.terminal.status_metrics import Metric, status_metrics
from ttapi_pipeline.terminal.streams import print_error

EXAMPLES: Final = {
    "tt metrics": "every metric in the text format of Prometheus",
    "tt metrics --output ttapi.prom": "into a file, for node_exporter's textfile collector",
    "tt metrics --json": "the same for another program",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Print age, rows, coverage, requests and failures of every dataset as metrics.\n"
        "Nothing is fetched. It needs the extra metrics.",
        examples=EXAMPLES,
        notes="Exit code: 0 whatever the metrics say.",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="replace this file as a whole instead of printing")
    parser.add_argument("--json", action="store_true", help="print the metrics as a JSON object")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print the metrics, or write them to the file.

    Raises:
        ConfigError: The package for the text format is not installed.
        StorageError: The data folder cannot be read, or the file not be written.
    """
    now = SYSTEM_CLOCK.now()
    metrics = status_metrics(
        read_statuses(settings, now=now), failures=last_failures(settings), breakers=breaker_states(settings), now=now
    )
    if options.json:
        print_json({"metrics": [asdict(metric) for metric in metrics]})
        return OK
    text = exposition(metrics)
    if options.output is None:
        sys.stdout.write(text.decode())
        return OK
    # Relative to where it is typed, like every path among the arguments.
    path: Path = options.home.typed_in / options.output
    try:
        with replacing(path, is_durable=False) as staging:
            staging.write_bytes(text)
    except OSError as error:
        raise storage_error(path, error) from error
    print_error(f"{sum(len(metric.values) for metric in metrics)} values in {path}")
    return OK


def exposition(metrics: Sequence[Metric]) -> bytes:
    """The metrics in the text format of Prometheus, version 0.0.4.

    Raises:
        ConfigError: Its package is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, Gauge, generate_latest
    except ImportError as error:
        raise ConfigError(
            "tt metrics needs the package prometheus-client: pip install 'ttapi-pipeline[metrics]'"
        ) from error
    registry = CollectorRegistry()
    for metric in metrics:
        gauge = Gauge(metric.name, metric.meaning, [metric.label] if metric.label else [], registry=registry)
        for name, value in metric.values.items():
            (gauge.labels(name) if metric.label else gauge).set(value)
    return bytes(generate_latest(registry))
