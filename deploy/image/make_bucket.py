# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes a bucket where there is none of that name: `make_bucket.py NAME`, with the variables AWS_... of its store.

The pipeline itself makes none, since a mistyped name would become one.
"""

from __future__ import annotations

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main(name: str) -> str | None:
    """Make it; what went wrong, None if nothing did."""
    store = boto3.client("s3")
    try:
        if name not in {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}:
            store.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        return f"the bucket {name} cannot be made: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
