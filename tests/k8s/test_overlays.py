"""The real overlays, and every offered combination of components, pass the checks."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from k8s.checks.manifests import Manifests, Workload
from k8s.checks.render import COMPONENTS, HERE, RenderError, combined, overlays, render
from k8s.checks.rules import violations
from k8s.checks.schemas import Schemas
from tests.k8s.planting import container, find


def overlay(folder: Path, *, tag: str | None = None, setting: str | None = None) -> Path:
    """Make a copy of the production overlay in `folder`.

    It has another image tag or one more setting.
    """
    folder.mkdir(exist_ok=True)
    combined((), folder)
    file = folder / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    for image in content["images"]:
        image["newTag"] = tag or image["newTag"]
    if setting:
        content["configMapGenerator"][0]["literals"].append(setting)
    file.write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas()


def test_an_unknown_field_is_refused_by_the_schema(production: Manifests, schemas: Schemas) -> None:
    container(production, "Deployment/web")["readynessProbe"] = {}
    assert any(
        "Deployment/web: spec.template.spec.containers.0" in text and "readynessProbe" in text
        for text in schemas.violations(production)
    )


def test_a_wrong_type_is_refused_by_the_schema(production: Manifests, schemas: Schemas) -> None:
    find(production, "Deployment/nginx")["spec"]["replicas"] = "2"
    assert any("Deployment/nginx: spec.replicas" in text for text in schemas.violations(production))


def test_unknown_kind_is_refused(production: Manifests, schemas: Schemas) -> None:
    find(production, "Ingress/hubbub")["apiVersion"] = "extensions/v1beta1"
    assert any("Ingress/hubbub" in text for text in schemas.violations(production))


def test_staging_and_production_share_nothing(kustomize: list[str]) -> None:
    namespaces = {
        folder.name: {item["metadata"]["namespace"] for item in render(folder, kustomize).objects} for folder in overlays()
    }
    # k3s is another cluster, for those who have one server.
    assert namespaces == {"staging": {"hubbub-staging"}, "production": {"hubbub"}, "k3s": {"hubbub"}}


def test_a_changed_setting_restarts_only_its_readers(kustomize: list[str], tmp_path: Path) -> None:
    before = render(overlay(tmp_path / "before"), kustomize)
    after = render(overlay(tmp_path / "after", setting="LIMIT_MESSAGES_PER_S=7"), kustomize)
    templates = {
        one.ref: one.template != other.template for one, other in zip(before.workloads(), after.workloads(), strict=True)
    }
    assert templates == {
        "Deployment/nginx": False,
        "Deployment/redis": False,
        "Deployment/web": True,
        "Deployment/worker": True,
        "StatefulSet/postgres": False,
    }


def test_a_new_tag_migrates_before_its_worker(kustomize: list[str], tmp_path: Path) -> None:
    manifests = render(overlay(tmp_path, tag="2.0.0-rc.1"), kustomize)
    worker = Workload(find(manifests, "Deployment/worker"))
    assert [one["image"] for one in worker.containers] == ["registry.example.com/hubbub-web:2.0.0-rc.1"] * 2
    assert dict(violations(manifests)) == {}


def test_outer_overlay_may_change_namespace_and_names(kustomize: list[str], tmp_path: Path) -> None:
    """Check that nginx asks for web in its own namespace."""
    overlay(tmp_path / "inner")
    (tmp_path / "kustomization.yaml").write_text("namespace: elsewhere\nresources: [inner]\n")
    manifests = render(tmp_path, kustomize)
    assert {item["metadata"]["namespace"] for item in manifests.objects} == {"elsewhere"}
    assert "hubbub.svc" not in str(manifests.objects)
    assert dict(violations(manifests)) == {}


def test_queries_are_about_the_overlays_namespace(kustomize: list[str], tmp_path: Path) -> None:
    folder = overlay(tmp_path)
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    components = ("prometheus-operator", "autoscaling-connections")
    content["components"] = [os.path.relpath(COMPONENTS / name, folder.resolve()) for name in components]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content | {"namespace": "elsewhere"}))
    manifests = render(folder, kustomize)
    rules = find(manifests, "PrometheusRule/hubbub")["spec"]["groups"][0]["rules"]
    (down,) = (rule["expr"] for rule in rules if rule["alert"] == "HubbubDown")
    assert down == 'absent(hubbub_loop_lag_seconds{namespace="elsewhere"})'
    triggers = find(manifests, "ScaledObject/web")["spec"]["triggers"]
    (query,) = (one["metadata"]["query"] for one in triggers if one["type"] == "prometheus")
    assert query == 'sum(hubbub_sockets{namespace="elsewhere"})'
    assert 'namespace="hubbub"' not in str(manifests.objects)


@pytest.mark.parametrize("address", ["https://chat.example.com:8443", "https://chat.example.com"])
def test_ingress_host_has_no_port(kustomize: list[str], tmp_path: Path, address: str) -> None:
    folder = overlay(tmp_path)
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    content["components"] = [os.path.relpath(COMPONENTS / "ingress", folder.resolve())]
    literals = content["configMapGenerator"][0]["literals"]
    content["configMapGenerator"][0]["literals"] = [
        *[one for one in literals if "PUBLIC_URL" not in one],
        f"PUBLIC_URL={address}",
    ]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    manifests = render(folder, kustomize)
    ingress = find(manifests, "Ingress/hubbub")["spec"]
    assert (ingress["rules"][0]["host"], ingress["tls"][0]["hosts"]) == ("chat.example.com", ["chat.example.com"])
    assert dict(violations(manifests)) == {}


def test_deleting_an_overlay_keeps_volume_and_secret(kustomize: list[str]) -> None:
    """The claim belongs to the StatefulSet.

    Secret and namespace belong to k8s/create_secrets.
    """
    for folder in overlays():
        kinds = {item["kind"] for item in render(folder, kustomize).objects}
        assert not kinds & {"Namespace", "PersistentVolumeClaim", "Secret", "Job"}


def test_deployment_page_names_every_component() -> None:
    page = (HERE.parent / "docs" / "deploy.md").read_text()
    assert [one.name for one in COMPONENTS.iterdir() if f"(../k8s/components/{one.name}/README.md)" not in page] == []


def test_page_of_what_is_untried_names_every_component() -> None:
    """With what shows it on a cluster."""
    page = (HERE.parent / "docs" / "verification.md").read_text()
    for one in COMPONENTS.iterdir():
        assert re.search(rf"^\| \[{one.name}\]\(\.\./k8s/components/{one.name}/README\.md\) \| .+ \|$", page, flags=re.MULTILINE)


def test_page_of_secrets_has_the_steps_of_every_replacement() -> None:
    """Its commands are for postgres-0 and deploy/redis, which these components delete."""
    texts = {path.parent.name: path.read_text() for path in COMPONENTS.glob("*/kustomization.yaml")}
    deleted = (
        r"\$patch: delete\n +apiVersion: apps/v1\n +kind: (?:StatefulSet|Deployment)\n +metadata:\n +name: (?:postgres|redis)\n"
    )
    replacing = {name for name, text in texts.items() if re.search(deleted, text)}
    replacing |= {name for name, text in texts.items() if any(f"../{other}]" in text for other in replacing)}
    assert replacing == {"cloudnative-pg", "managed-postgres", "managed-redis", "redis-sentinel"}
    page = (HERE.parent / "docs" / "runbooks" / "rotate-secrets.md").read_text()
    for name in replacing:
        assert f"\n| [{name}](../../k8s/components/{name}/README.md) | " in page


def test_folder_that_does_not_render_is_an_error(kustomize: list[str], tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [gone.yaml]\n")
    with pytest.raises(RenderError, match=r"gone\.yaml"):
        render(tmp_path, kustomize)


def test_every_component_is_described_and_listed() -> None:
    readme = (HERE / "README.md").read_text()
    for kustomization in COMPONENTS.glob("*/kustomization.yaml"):
        folder = kustomization.parent
        assert (folder / "README.md").read_text().startswith(f"# {folder.name}\n")
        assert f"(components/{folder.name}/README.md)" in readme
