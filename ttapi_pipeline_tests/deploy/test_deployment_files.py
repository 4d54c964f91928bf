# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `deploy/` says, file beside file: versions, limits, ports, secrets. Programs: see `test_deployment_tools`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import ttapi_pipeline
from ttapi_pipeline.core.settings import SECRET_VARIABLES
from ttapi_pipeline.defs.operations.database_server import BOUNDS
from ttapi_pipeline_tests.support.documents import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "docker-compose.yaml"
VALUES = DEPLOY / "helm" / "values.yaml"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def walk(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a document."""
    match value:
        case Mapping():
            yield value
            for inner in value.values():
                yield from walk(inner)
        case list():
            for inner in value:
                yield from walk(inner)
        case _:
            pass


def services() -> dict[str, Any]:
    found: dict[str, Any] = read(COMPOSE)["services"]
    return found


def test_the_fetches_of_two_runs_never_overlap_wherever_it_runs() -> None:
    here, deployed, chart = read(ROOT / "dagster.yaml"), read(DEPLOY / "dagster.yaml"), read(VALUES)
    assert (
        deployed["concurrency"]
        == here["concurrency"]
        == {
            "runs": {"max_concurrent_runs": 2},
            "pools": {"granularity": "op", "default_limit": 1},
        }
    )
    assert chart["concurrency"] == {
        "enabled": True,
        "pools": {"granularity": "op", "defaultLimit": 1},
        "runs": {"maxConcurrentRuns": 2},
    }


def test_a_deployment_keeps_house_as_a_folder_does() -> None:
    here, deployed, chart = read(ROOT / "dagster.yaml"), read(DEPLOY / "dagster.yaml"), read(VALUES)
    for name in ("run_retries", "retention", "telemetry", "nux"):
        assert deployed[name] == here[name]
    # Machines fail oftener than processes: it looks more often.
    oftener = {"start_timeout_seconds": 90, "poll_interval_seconds": 15}
    assert deployed["run_monitoring"] == here["run_monitoring"] | oftener
    assert chart["telemetry"]["enabled"] is False
    assert chart["retention"]["schedule"]["purgeAfterDays"] == here["retention"]["schedule"]["purge_after_days"]
    assert chart["dagsterDaemon"]["runMonitoring"]["maxRuntimeSeconds"] == here["run_monitoring"]["max_runtime_seconds"]
    assert chart["dagsterDaemon"]["runRetries"]["retryOnAssetOrOpFailure"] is False


def test_every_program_of_a_deployment_has_the_same_limits_of_time_for_postgres() -> None:
    instance, chart = read(DEPLOY / "dagster.yaml"), read(VALUES)
    limits = instance["storage"]["postgres"]["postgres_db"]["params"]
    assert limits == dict(BOUNDS)
    assert chart["postgresql"]["postgresqlParams"] == {"sslmode": "require", **limits}


def test_dagster_takes_the_instance_file_with_nothing_but_the_variables_of_the_compose_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagster_postgres", reason="`pip install 'ttapi-pipeline[deploy]'` brings dagster-postgres")
    from dagster._core.instance.config import dagster_instance_config

    (tmp_path / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    for name in re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text()):
        assert name in services()["code"]["environment"] or f"{name}_FILE" in services()["code"]["environment"]
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["storage"]["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"


def test_the_image_of_everything_is_the_version_of_the_package() -> None:
    tags = {
        tag
        for path in (COMPOSE, VALUES, DEPLOY / "kubernetes" / "simulator.yaml", DEPLOY / "Dockerfile")
        for tag in re.findall(r"ttapi-pipeline(?::|\n\s+tag: )(\d+\.\d+\.\d+)", path.read_text())
    }
    assert tags == {ttapi_pipeline.__version__}


def test_the_chart_is_the_one_of_the_pinned_dagster() -> None:
    (pinned,) = re.findall(r"^dagster==([\d.]+)", (ROOT / "requirements-deploy.lock").read_text(), re.MULTILINE)
    shown = {
        version
        for path in (VALUES, DEPLOY / "README.md")
        for version in re.findall(r"dagster/dagster --version ([\d.]+)", path.read_text())
    }
    assert shown == {pinned}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_every_image_has_a_tag_that_stays(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    images = re.findall(r"^\s*image: [\"']?([\w./-]+:[\w.$\{\}:-]+)", text, re.MULTILINE)
    assert not [image for image in images if image.endswith((":latest", ":stable"))]
    assert not re.search(r"^\s*image: [\w./-]+$", text, re.MULTILINE)
    assert "@sha256:" not in text.replace("@sha256:...", "")


def test_nothing_is_reached_from_outside_but_the_proxy_and_that_from_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published == {"proxy": ["${WEB_BIND:-127.0.0.1}:${WEB_PORT:-8443}:443"]}
    assert read(COMPOSE)["networks"]["inside"] == {"internal": True}
    assert not any("network_mode" in service or service.get("privileged") for service in services().values())


def test_a_command_in_a_running_container_that_needs_secrets_goes_by_the_entry_point() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8").replace("\\\n", "")
    commands = re.findall(r"exec -T (?:code|worker|daemon|web|stream) +(.*)", text)
    assert commands
    assert all(command.startswith("/bin/sh /opt/ttapi/libexec/entrypoint.sh ") for command in commands)


def test_what_root_without_capabilities_reads_is_made_its_own() -> None:
    # Root without CAP_DAC_OVERRIDE reads what is its own, and nothing of mode 0600 that is another user's.
    bare = [
        each for each in services().values() if each.get("cap_drop") == ["ALL"] and "TTAPI_IMAGE" not in each["image"]
    ]
    needed = {f"deploy/secrets/{secret}" for service in bare for secret in service.get("secrets", [])}
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^sudo chown (\w+) ([^#\n]+)", text, re.MULTILINE)
    owners = {file: owner for owner, files in commands for file in files.split()}
    assert needed == {"deploy/secrets/web_users"}
    assert {owners[file] for file in needed} == {"root"}
    assert [owner for owner, files in commands if "*" in files] == ["10001"]
    assert text.index("chown 10001 deploy/secrets/*") < text.index("chown root deploy/secrets/web_users")


def test_what_runs_our_code_can_write_nothing_of_the_image_and_gain_no_rights() -> None:
    ours = {name: service for name, service in services().items() if "TTAPI_IMAGE" in service["image"]}
    assert set(ours) == {"bucket", "code", "daemon", "web", "worker", "simulator", "stream"}
    for service in ours.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_service_that_stays_is_asked_whether_it_is_well_and_started_again() -> None:
    stay = {name: service for name, service in services().items() if service["restart"] != "no"}
    assert set(services()) - set(stay) == {"bucket"}
    # The image asks for the code server itself; `tt stream` has no port; Caddy ends when it cannot serve.
    unasked = {name for name, service in stay.items() if service.get("healthcheck", {"disable": True}).get("disable")}
    assert unasked == {"code", "stream", "proxy"}
    assert "HEALTHCHECK" in (DEPLOY / "Dockerfile").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_no_secret_is_in_a_file(path: Path) -> None:
    if path.suffix == ".md":
        pytest.skip("a document shows how to set them")
    for mapping in walk(list(yaml.safe_load_all(path.read_text()))) if path.suffix == ".yaml" else ():
        for name, value in mapping.items():
            is_secret = name in {*SECRET_VARIABLES, "AWS_SECRET_ACCESS_KEY", "DAGSTER_PG_PASSWORD", "POSTGRES_PASSWORD"}
            # The queue is on a network of its own, and asks for no password.
            assert not is_secret or (name, value) == ("TT_CELERY_BROKER", "redis://redis:6379/0")
    named = re.findall(r"\b(TT_CLIENT_SECRET|TT_REFRESH_TOKEN|TT_ALERT_URLS)[=:]", path.read_text())
    assert named == []


def test_secrets_stay_out_of_the_repository_and_out_of_the_image() -> None:
    assert {"/deploy/secrets/", "/deploy/.env"} <= set((ROOT / ".gitignore").read_text().split())
    kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert kept[0] == "*"
    assert not [line for line in kept if line in {"!.env", "!data", "!deploy", "!deploy/secrets"}]


def test_what_the_dockerfile_copies_is_let_through() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name for line in copied for name in line.split()} == kept


def test_kubernetes_variables_of_services_cannot_be_taken_for_settings() -> None:
    deployments = read(VALUES)["dagster-user-deployments"]["deployments"]
    manifests = [
        each for path in (DEPLOY / "kubernetes").glob("*.yaml") for each in yaml.safe_load_all(path.read_text())
    ]
    names = [each["name"] for each in deployments]
    names += [each["metadata"]["name"] for each in manifests if each["kind"] == "Service"]
    assert names
    assert not [name for name in names if name.upper().replace("-", "_").startswith("TT_")]
    launcher = read(VALUES)["runLauncher"]["config"]["k8sRunLauncher"]
    assert launcher["runK8sConfig"]["podSpecConfig"]["enableServiceLinks"] is False
    pods = [each for each in walk(manifests) if "containers" in each]
    assert len(pods) == 2
    assert all(pod["enableServiceLinks"] is False for pod in pods)
