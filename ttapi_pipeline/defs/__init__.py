# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Everything that knows Dagster: assets, checks, resources, automation, housekeeping. `definitions` loads it.

Put here: the description of the pipeline for Dagster, and the work of a run, a check or a tick with Dagster. Not here:
how a dataset is collected and computed (`datasets`), how it is stored (`storage`), whether it is due (`core.verdict`).
All of that works without Dagster.

Where to look:

- `assembly` puts the definitions together for one set of settings.
- `assets`: the datasets as assets, and one execution of an asset. An execution is given `resources` and hands its
  result to the `io_manager`; `dataset_checks` and `checks` look at the result.
- `automation`: when a run is started. `operations`: keeping an instance in order. `launch`: the run of `tt refresh`.
- `parts`: the partitioned assets of buckets of symbols. `quote_history`: that of the quote recorder.
  `session_histories`: those of what is kept per session.
- `failures`: our errors as Dagster's outcomes. `dagster_internals`: everything that Dagster does not promise.
  `without_pandas`: dagster-polars, imported faster.

Every `dagster` command loads the definitions, and few of them run anything. So there are two kinds of modules:

- Modules that describe the pipeline import Dagster, Polars for the schemas, and little else.
- Modules that do the work import the client, the feed, the files and dagster-polars. These are `io_manager`,
  `without_pandas`, `launch`, `assets.execution`, `assets.reuse`, `assets.interrupts`, `assets.charts`,
  `parts.computing`, `quote_history.compaction` and `session_histories.recording`. A module that describes imports them
  inside of a function that only a run, a check or a tick calls. A comment "see `defs`" marks the place.

A test (`test_the_code_location_loads_without_what_only_a_run_needs`) holds this.
"""
