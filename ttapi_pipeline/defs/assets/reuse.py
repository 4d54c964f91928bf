# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A hit: tells Dagster that stored data is used as it is. How Dagster is made to accept that: see `dagster_internals`.

An observation records the reuse, and the steps below start without a materialisation. A materialisation would restart
the freshness clock of data that was not fetched.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.verdict import Verdict
from ttapi_pipeline.defs.dagster_internals import (
    let_steps_below_run,
    look_up_input_again,
    observation,
    provenance_tags,
    recorded_metadata,
    recorded_version,
)


def reuse(
    context: dg.AssetExecutionContext, verdict: Verdict, manifest: Manifest, metadata: Mapping[str, Any]
) -> Iterator[Any]:
    """The events of a hit.

    Where this instance has no record of the stored data (a new instance, restored data), a materialisation adopts it
    first, with the data version, code version and inputs of its manifest.
    """
    if recorded_version(context.instance, context.asset_key) != manifest.data_version:
        yield from _adoption(context, verdict, manifest, metadata)
    yield observation(
        verdict.dataset, manifest.data_version, description=f"reused: {verdict.reason}", metadata=metadata
    )
    yield from let_steps_below_run(context)


def _adoption(
    context: dg.AssetExecutionContext, verdict: Verdict, manifest: Manifest, metadata: Mapping[str, Any]
) -> Iterator[Any]:
    context.log.info("%s: adopted, this Dagster instance had no record of it", verdict.dataset)
    stored = manifest.provenance
    for name, version in stored.inputs.items():
        if _is_unknown(context.instance, dg.AssetKey(name)):
            yield observation(name, version)
    yield dg.AssetMaterialization(
        asset_key=context.asset_key,
        description="adopted: stored before this Dagster instance knew of it",
        metadata=dict(metadata),
        tags=provenance_tags(manifest.data_version, code_version=stored.code_version, inputs=stored.inputs),
    )


def _is_unknown(instance: dg.DagsterInstance, key: dg.AssetKey) -> bool:
    """Whether an asset was neither materialised nor observed in this instance."""
    return instance.get_latest_materialization_event(key) is None and not (
        instance.fetch_observations(key, limit=1).records
    )


def shown_before(context: dg.AssetExecutionContext, manifest: Manifest) -> Mapping[str, Any]:
    """Rows and charts that the materialisation of the stored data shows, as far as this instance has a record of it."""
    if recorded_version(context.instance, context.asset_key) != manifest.data_version:
        return {}
    recorded = recorded_metadata(context.instance, context.asset_key)
    return {key: recorded[key] for key in ("charts", "preview") if key in recorded}


def note_input(context: dg.AssetExecutionContext, name: str, version: str) -> None:
    """Record the version of an upstream that the step read by itself, and have the materialisation of the step name it.

    Upstream datasets need no note: Dagster finds their versions in its event log.
    """
    context.log_event(observation(name, version))
    look_up_input_again(context, name)
