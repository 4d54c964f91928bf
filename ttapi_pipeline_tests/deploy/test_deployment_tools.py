# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What programs say of `deploy/`: hadolint, Compose, the schemas of Kubernetes and of Dagster's chart, Caddy.

The chart's own schema is in no package: `helm pull dagster/dagster --untar`, and DAGSTER_CHART names the folder.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.servers import free_port

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
LATEST_OLD = "1.30.0"
"""Of Kubernetes: manifests hold from here to the latest version that the schemas know."""


def tool(name: str, brought_by: str) -> str:
    """A program's path: of the environment that the tests run in, or on PATH."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here: {brought_by} brings it")
    return found


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


class TestImage:
    def test_hadolint_has_nothing_to_say(self) -> None:
        done = run(tool("hadolint", "`make ci`"), "--no-color", DEPLOY / "Dockerfile")
        assert (done.returncode, done.stdout) == (0, "")

    def test_hadolint_finds_a_mistake(self, tmp_path: Path) -> None:
        wrong = tmp_path / "Dockerfile"
        wrong.write_text("FROM debian:latest\nRUN cd /tmp\n")
        assert "DL3007" in run(tool("hadolint", "`make ci`"), wrong).stdout


class TestCompose:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The files as they are deployed, with something in each secret."""
        folder = tmp_path / "deploy"
        shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("secrets"))
        (folder / "secrets").mkdir()
        for name in ("postgres_password", "store_key", "store_secret", "web_users", "client_secret", "refresh_token"):
            (folder / "secrets" / name).write_text("s3cr3t")
        return folder

    def config(self, folder: Path, *files: str, **environment: str) -> Mapping[str, Any]:
        """What Compose makes of the files."""
        program = tool("docker-compose", "`apt-get install docker-compose`")
        named = [word for file in files for word in ("--file", str(folder / file))]
        profiles = [word for name in ("celery", "simulator", "stream") for word in ("--profile", name)]
        done = run(program, *named, *profiles, "config", **environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "s3cr3t" not in done.stdout
        made: Mapping[str, Any] = yaml.safe_load(done.stdout)
        return made

    def test_compose_takes_the_files(self, folder: Path) -> None:
        made = self.config(folder, "docker-compose.yaml")["services"]
        assert made["code"]["environment"]["TT_EXECUTOR"] == "in_process"
        assert "TT_REFRESH_TOKEN_FILE" not in made["code"]["environment"]

    def test_an_account_comes_on_top_and_to_those_alone_that_ask_the_broker(self, folder: Path) -> None:
        made = self.config(folder, "docker-compose.yaml", "docker-compose.account.yaml")["services"]
        with_account = {name for name, service in made.items() if "refresh_token" in str(service.get("secrets"))}
        assert with_account == {"code", "worker", "stream"}
        environment = made["code"]["environment"]
        assert environment["TT_REFRESH_TOKEN_FILE"] == "/run/secrets/refresh_token"
        assert environment["DAGSTER_PG_HOST"] == "postgres"
        assert "postgres_password" in str(made["code"]["secrets"])

    def test_another_store_and_executor_are_chosen_by_variables(self, folder: Path) -> None:
        given = {"AWS_ENDPOINT_URL": "https://store.example.com", "TT_EXECUTOR": "celery", "WEB_PORT": "443"}
        made = self.config(folder, "docker-compose.yaml", **given)["services"]
        assert made["worker"]["environment"]["TT_EXECUTOR"] == "celery"
        assert made["code"]["environment"]["AWS_ENDPOINT_URL"] == "https://store.example.com"
        assert "443" in str(made["proxy"]["ports"])


class TestKubernetes:
    @pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
    @pytest.mark.parametrize("version", [LATEST_OLD, None], ids=str)
    def test_the_api_takes_a_manifest(self, path: Path, version: str | None) -> None:
        program = tool("kubernetes-validate", "`make ci`")
        wanted = () if version is None else ("--kubernetes-version", version)
        done = run(program, "--strict", *wanted, path)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_a_mistake_in_a_manifest_is_found(self, tmp_path: Path) -> None:
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(MANIFESTS[-1].read_text().replace("enableServiceLinks", "enableServicesLinks"))
        assert run(tool("kubernetes-validate", "`make ci`"), "--strict", wrong).returncode != 0

    def test_the_pod_of_a_run_is_made_as_the_values_say(self, tmp_path: Path) -> None:
        """By the code that makes it in a cluster, and held to the schema of Kubernetes."""
        job = pytest.importorskip("dagster_k8s.job", reason="`pip install 'ttapi-pipeline[deploy]'` brings dagster-k8s")
        values = read(DEPLOY / "helm" / "values.yaml")
        raw = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
        config = job.UserDefinedDagsterK8sConfig(
            pod_spec_config=raw["podSpecConfig"],
            container_config=raw["containerConfig"],
            job_spec_config=raw["jobSpecConfig"],
        )
        image = values["dagsterDaemon"]["image"]
        made = job.construct_dagster_k8s_job(
            job.DagsterK8sJobConfig(job_image=f"{image['repository']}:{image['tag']}", dagster_home="/home"),
            ["dagster", "api", "execute_run"],
            "dagster-run-1",
            user_defined_k8s_config=config,
        ).to_dict()
        pod = made["spec"]["template"]["spec"]
        assert pod["enable_service_links"] is False
        assert pod["security_context"]["run_as_user"] == 10001
        assert made["spec"]["ttl_seconds_after_finished"] == 86400
        (container,) = pod["containers"]
        assert container["security_context"]["capabilities"]["drop"] == ["ALL"]


def merged(base: Any, own: Any) -> Any:
    """Values over those of a chart, as Helm puts them."""
    if not (isinstance(base, Mapping) and isinstance(own, Mapping)):
        return own
    return {**base, **{name: merged(base.get(name), value) for name, value in own.items()}}


class TestChart:
    @pytest.fixture
    def chart(self) -> Path:
        """Dagster's chart."""
        named = os.environ.get("DAGSTER_CHART")
        if named is None:
            pytest.skip("DAGSTER_CHART names no chart: `helm pull dagster/dagster --untar` brings it")
        return Path(named)

    def check(self, chart: Path, values: Mapping[str, Any]) -> list[str]:
        """What a chart's schema has against values."""
        import jsonschema
        from referencing import Registry, Resource
        from referencing.jsonschema import DRAFT202012

        schemas = Path(pytest.importorskip("kubernetes_validate", reason="`make ci` brings it").__file__).parent
        known = json.loads((schemas / "kubernetes-json-schema/v1.30.0-local/_definitions.json").read_text())["$defs"]
        resource = Resource.from_contents({"definitions": known, "$defs": known}, default_specification=DRAFT202012)
        schema = json.loads((chart / "values.schema.json").read_text())
        kind = jsonschema.validators.validator_for(schema)
        checker = kind(schema, registry=Registry(retrieve=lambda _: resource))  # type: ignore[call-arg]
        return [f"{list(error.absolute_path)}: {error.message}" for error in checker.iter_errors(values)]

    def test_the_chart_and_the_one_in_it_take_the_values(self, chart: Path) -> None:
        values = merged(read(chart / "values.yaml"), read(DEPLOY / "helm" / "values.yaml"))
        assert self.check(chart, values) == []
        inner = chart / "charts" / "dagster-user-deployments"
        own = merged(values["dagster-user-deployments"], {"global": values["global"]})
        assert self.check(inner, merged(read(inner / "values.yaml"), own)) == []

    def test_the_chart_knows_every_word_that_stands_in_front(self, chart: Path) -> None:
        assert set(read(DEPLOY / "helm" / "values.yaml")) <= set(read(chart / "values.yaml"))

    def test_a_mistake_in_the_values_is_found(self, chart: Path) -> None:
        values = merged(read(chart / "values.yaml"), {"concurrency": {"pools": {"default_limit": 1}}})
        assert self.check(chart, values) != []


class TestProxy:
    @pytest.fixture
    def address(self, tmp_path: Path) -> Iterator[str]:
        """The proxy's, in front of a web server that answers everybody."""
        caddy = tool("caddy", "`make ci`")
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "graphql").write_text("runs")
        upstream = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
        )
        Thread(target=upstream.serve_forever, daemon=True).start()
        hashed = run(caddy, "hash-password", "--plaintext", "s3cr3t").stdout.strip()
        (tmp_path / "users").write_text(f"alice {hashed}\n")
        https, http = free_port(), free_port()
        ports = f"admin off\n\thttps_port {https}\n\thttp_port {http}\n\tskip_install_trust"
        (tmp_path / "Caddyfile").write_text((DEPLOY / "Caddyfile").read_text().replace("admin off", ports))
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "WEB_USERS": str(tmp_path / "users"),
            "WEB_UPSTREAM": f"127.0.0.1:{upstream.server_port}",
        }
        command = [caddy, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
        with (tmp_path / "log").open("w") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
            try:
                self.wait_for(f"https://localhost:{https}/", tmp_path / "log")
                yield f"https://localhost:{https}"
            finally:
                process.terminate()
                process.wait(30)
                upstream.shutdown()
                upstream.server_close()

    def wait_for(self, url: str, log: Path) -> None:
        for _ in range(300):
            try:
                self.ask(url)
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail(f"the proxy does not answer: {log.read_text()}")

    def ask(self, url: str, **headers: str) -> tuple[int, str]:
        """The status and the body of an answer; the certificate is of Caddy's own authority."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(urllib.request.Request(url, headers=headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_the_web_ui_is_for_those_who_know_a_password_and_for_no_page_of_another_site(self, address: str) -> None:
        url = f"{address}/graphql"
        known = {"Authorization": "Basic " + base64.b64encode(b"alice:s3cr3t").decode()}
        guessed = {"Authorization": "Basic " + base64.b64encode(b"alice:secret").decode()}
        assert self.ask(url)[0] == 401
        assert self.ask(url, **guessed)[0] == 401
        assert self.ask(url, **known) == (200, "runs")
        assert self.ask(url, **known, Origin=address) == (200, "runs")
        assert self.ask(url, **known, Origin="https://evil.example")[0] == 403
        assert self.ask(url, **known, Origin="null")[0] == 403
