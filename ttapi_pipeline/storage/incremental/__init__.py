# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Big tables in pieces, of which only those that changed are encoded; `publish` puts the files in place.

A piece has a key that stands for its rows: the same key, the same rows. A note beside the data says of each stored
piece where its bytes are in the Parquet file and in the CSV, what their checksums are, and what it adds to the data
version. The next publication copies the bytes of a piece whose key is noted, after comparing the checksum, and encodes
the other pieces, so that the files come out as if every piece had been encoded. The note only saves time: when it is
missing, or does not belong to the file that is there, everything is encoded.

Put here: whatever notes, compares, copies or encodes some rows of a stored file. Not here: the order in which files are
put in place (`storage.publish`).
"""
