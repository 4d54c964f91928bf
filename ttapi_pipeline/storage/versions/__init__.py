# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a dataset was before: a log of its publications, and the Parquet files of those that are kept.

In the data folder, beside the files of a dataset:

- ``<dataset>/publications.jsonl``: a line per publication, with its manifest; see `log`.
- ``<dataset>/<write_id>.parquet``: the rows of one publication. It is another name (a hard link) of the file that was
  published, so that it takes room only once that has been replaced; see `keeping`.

- ``<dataset>/changes/<after>-<before>-<hash>.parquet``: of tables of bars, what a publication changed, to be taken back
  from the table of now; see `recording`, `row_changes`, `steps` and `restoring`.
- ``<dataset>/changes/<against>-<write_id>-<hash>.packed.parquet``: of computed tables, the rows of a publication packed
  against those of another one; see `packed_versions` and `packing`.

Reading a version, and finding the one of an instant: see `reading`. Comparing two: see `difference`.
"""
