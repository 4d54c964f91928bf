# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Datasets in an object store, ``TT_DATA_DIR=s3://bucket/prefix``: the other implementation of `storage.store`.

Objects below the prefix:

- ``<dataset>.json``: the manifest, the only object of a dataset whose content decides. It is replaced by a conditional
  PUT (``If-Match``, or ``If-None-Match: *`` for the first), so that of two writers one loses and decides anew.
- ``<dataset>/<write_id>.parquet`` and ``.csv``: rows. They are written once, before the manifest that names them.
- ``<dataset>/log/<instant>-<write_id>-<data version>.json``: a publication, for the history.
- ``<dataset>.parquet`` and ``.csv``: copies for people. Nothing here reads them.
- ``.state/``: what processes on several machines have to know of one another.

Put here: whatever sends a request to an object store. Not here: the same on a local disk (the modules beside this
folder), and what rows mean.
"""
