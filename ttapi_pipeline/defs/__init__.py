# SPDX-License-Identifier: MIT
"""Everything that knows Dagster: assets, checks, resources, automation, housekeeping. `definitions` loads it.

Put here: what describes the pipeline to Dagster, and what a run, a check or a tick does with Dagster. Not here: how a
dataset is collected and computed (`datasets`), how it is stored (`storage`), whether it is due (`core.verdict`). All of
that works without Dagster.

What is found where:

- `assembly` puts the definitions together for one set of settings.
- `assets`: the datasets as assets, and one execution of an asset. `checks`, `io_manager`, `resources`: what an
  execution is given, and what looks at its result.
- `automation`: when a run is started. `operations`: keeping an instance in order. `quote_history`: the partitioned
asset
  of the quote recorder.
- `dagster_internals`: whatever Dagster does not promise. `without_pandas`: dagster-polars, imported faster.

Every `dagster` command loads the definitions, and few of them run anything. So the modules here are of two kinds:

- Modules that describe the pipeline import Dagster, Polars for the schemas, and little else.
- Modules that do the work import the client, the feed, the files and dagster-polars. These are `io_manager`,
  `without_pandas`, `assets.execution`, `assets.reuse`, `assets.interrupts`, `assets.charts`, `quote_history.compaction`
  and `operations.launch`. A module that describes imports them inside of a function that only a run, a check or a tick
  calls; a comment "see `defs`" marks the place.

A test (`test_the_code_location_loads_without_what_only_a_run_needs`) holds this.
"""
