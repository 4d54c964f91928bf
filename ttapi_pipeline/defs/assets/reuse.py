# SPDX-License-Identifier: MIT
"""A hit: tell Dagster that stored data is used as it is.

Its private API is needed here and in `event_log`.

An observation records the reuse; a STEP_OUTPUT event lets the steps below start, without a materialisation, which would
restart the freshness clock of data that was not fetched. A test runs a hit above a miss, so that a Dagster release
which changes this fails there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.execution.plan.outputs import StepOutputData, StepOutputHandle

from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.verdict import Verdict


def reuse(
    context: dg.AssetExecutionContext, verdict: Verdict, manifest: Manifest, metadata: Mapping[str, Any]
) -> Iterator[Any]:
    """The events of a hit.

    Where this instance has no record of the stored data (a new instance, restored data), a materialisation adopts it
    first, with the data version, code version and inputs of its manifest.
    """
    if recorded_version(context.instance, context.asset_key) != manifest.data_version:
        context.log.info("%s: adopted, this Dagster instance had no record of it", verdict.dataset)
        for name, version in manifest.provenance.inputs.items():
            if context.instance.get_latest_data_version_record(dg.AssetKey(name)) is None:
                yield observation(name, version)
        yield dg.AssetMaterialization(
            asset_key=context.asset_key,
            description="adopted: stored before this Dagster instance knew of it",
            metadata=dict(metadata),
            tags=provenance_tags(manifest),
        )
    yield dg.AssetObservation(
        asset_key=context.asset_key,
        description=f"reused: {verdict.reason}",
        metadata=dict(metadata),
        tags={DATA_VERSION_TAG: manifest.data_version},
    )
    step = context.get_step_execution_context()
    for name in step.selected_output_names:
        handle = StepOutputHandle(step.step.key, name)
        yield dg.DagsterEvent.step_output_event(step, StepOutputData(handle))


def note_input(context: dg.AssetExecutionContext, name: str, version: str) -> None:
    """Let the step's materialisation say that it was built from this version of an upstream that it read itself."""
    context.log_event(observation(name, version))
    # Dagster looked the versions of all upstreams up when the step began.
    context.get_step_execution_context().wipe_input_asset_version_info(dg.AssetKey(name))


def observation(name: str, version: str) -> dg.AssetObservation:
    return dg.AssetObservation(asset_key=name, tags={DATA_VERSION_TAG: version})


def recorded_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """The data version that this instance has of an asset's latest materialisation."""
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    return (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None


def version_tags(version: str) -> dict[str, str]:
    """The tags of a materialisation whose data version is ours, and not one that Dagster made up."""
    return {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}


def provenance_tags(manifest: Manifest) -> dict[str, str]:
    """Dagster's own provenance tags, the ones behind its "unsynced" label, from a manifest."""
    inputs = {dg.AssetKey(name): version for name, version in manifest.provenance.inputs.items()}
    return {
        **version_tags(manifest.data_version),
        CODE_VERSION_TAG: manifest.provenance.code_version,
        **{get_input_data_version_tag(key): version for key, version in inputs.items()},
        # Dagster leaves out an input without a pointer; the event that the data was built from is in another instance.
        **dict.fromkeys(map(get_input_event_pointer_tag, inputs), NULL_EVENT_POINTER),
    }
