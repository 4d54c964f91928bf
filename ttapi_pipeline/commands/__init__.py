# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The commands of `tt`, one module each; `cli` parses the command line and calls one of them.

Put here: the options of a command, what it does with them, and its exit code. Not here: tables and screens
(`terminal`), whether a dataset is due (`datasets.status`), what Dagster runs (`defs`).

A module of a command has `EXAMPLES`, and two functions: `add_options` gives its parser options and help, `run` takes
the settings and the parsed options and returns the exit code. Among the options is `home`, the folder that the command
works in (see `core.places`), which is the current one by then. `init` and `simulator` are given neither. `templates`
has the files of a new project folder.

`program` imports the module of the command that is typed, and no other. A module still imports Polars, Dagster and the
client inside of functions: `--help` and a refresh of hits need none of them.
"""
