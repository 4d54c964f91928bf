# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""MetaStock files in, daily bars and an account of every row out.

Put here: formats of price files, and the rules by which their rows become bars. Not here: other sources of prices, and
merging them with these bars, which is done in `datasets.eod_snapshot`.

From the outside to the inside: `importer` and `preview` take a folder; `folder`, `fingerprint` and `indexes` say which
files it has; `known_files`, `file_cache` and `current_bars` keep what was read; `evidence`, `identity` and `claims` say
which instrument a ticker means, and `notices` what was assumed; `candidates` makes batches; `reader` reads one batch,
by `scan` or by `careful`, which both obey `row_rules`; `sniff`, `dialects`, `dates`, `text` and `binary` know the
formats.
"""
