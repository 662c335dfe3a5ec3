"""Violations of the rules about images, pods and secrets."""

from __future__ import annotations

from k8s.checks.manifests import Manifests
from k8s.checks.rules import images, pods, secrets
from tests.k8s.planting import config, container, find, plants, pod


@plants(images.image_is_pinned, "Deployment/web: container web: image registry.example.com:5000/hubbub-web has no fixed tag")
def image_without_tag(m: Manifests) -> None:
    container(m, "Deployment/web")["image"] = "registry.example.com:5000/hubbub-web"


@plants(images.image_is_pinned, "StatefulSet/postgres: container postgres: image postgres:latest")
def image_latest(m: Manifests) -> None:
    container(m, "StatefulSet/postgres")["image"] = "postgres:latest"


@plants(images.image_is_pinned, "Deployment/web: container setup: image busybox has no fixed tag")
def image_of_an_init_container(m: Manifests) -> None:
    pod(m, "Deployment/web")["initContainers"] = [{"name": "setup", "image": "busybox"}]


@plants(images.release_is_one, "Deployment/nginx 0.0.9")
def images_of_two_releases(m: Manifests) -> None:
    container(m, "Deployment/nginx")["image"] = "registry.example.com/hubbub-nginx:0.0.9"


@plants(pods.resources_are_bounded, "Deployment/worker: container worker: no limits of memory")
def no_memory_limit(m: Manifests) -> None:
    del container(m, "Deployment/worker")["resources"]["limits"]["memory"]


@plants(pods.resources_are_bounded, "Deployment/redis: container redis: no requests of cpu")
def no_requests(m: Manifests) -> None:
    del container(m, "Deployment/redis")["resources"]["requests"]


@plants(pods.scratch_is_bounded, "Deployment/nginx: volume tmp")
def unbounded_scratch(m: Manifests) -> None:
    pod(m, "Deployment/nginx")["volumes"][0]["emptyDir"] = {}


@plants(pods.runs_unprivileged, "Deployment/web: container web: runAsNonRoot is not true")
def may_be_root(m: Manifests) -> None:
    del pod(m, "Deployment/web")["securityContext"]["runAsNonRoot"]


@plants(pods.runs_unprivileged, "Deployment/redis: container redis: runAsNonRoot is not true")
def container_overrides_the_pod(m: Manifests) -> None:
    container(m, "Deployment/redis")["securityContext"]["runAsNonRoot"] = False


@plants(pods.runs_unprivileged, "runAsUser is not a number above 0")
def is_root(m: Manifests) -> None:
    pod(m, "Deployment/web")["securityContext"]["runAsUser"] = 0


@plants(pods.runs_unprivileged, "seccompProfile is not RuntimeDefault")
def unconfined(m: Manifests) -> None:
    pod(m, "StatefulSet/postgres")["securityContext"]["seccompProfile"]["type"] = "Unconfined"


@plants(pods.runs_unprivileged, "allowPrivilegeEscalation is not false")
def may_gain_privileges(m: Manifests) -> None:
    del container(m, "Deployment/web")["securityContext"]["allowPrivilegeEscalation"]


@plants(pods.runs_unprivileged, "privileged is on")
def privileged(m: Manifests) -> None:
    container(m, "Deployment/web")["securityContext"]["privileged"] = True


@plants(pods.runs_unprivileged, "capabilities are not dropped")
def keeps_capabilities(m: Manifests) -> None:
    container(m, "Deployment/web")["securityContext"]["capabilities"] = {"drop": ["NET_RAW"]}


@plants(pods.runs_unprivileged, "capabilities are not dropped")
def adds_a_capability(m: Manifests) -> None:
    container(m, "Deployment/nginx")["securityContext"]["capabilities"]["add"] = ["NET_BIND_SERVICE"]


@plants(pods.runs_unprivileged, "Deployment/web: hostNetwork is on")
def host_network(m: Manifests) -> None:
    pod(m, "Deployment/web")["hostNetwork"] = True


@plants(pods.runs_unprivileged, "volume docker is of the type hostPath")
def host_path(m: Manifests) -> None:
    pod(m, "Deployment/web")["volumes"].append({"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}})


@plants(pods.runs_unprivileged, "takes the node's port 80")
def host_port(m: Manifests) -> None:
    container(m, "Deployment/nginx")["ports"][0]["hostPort"] = 80


@plants(pods.root_file_system_is_read_only, "Deployment/worker: container migrate")
def writable_root(m: Manifests) -> None:
    del pod(m, "Deployment/worker")["initContainers"][0]["securityContext"]["readOnlyRootFilesystem"]


@plants(pods.scratch_does_not_hold_a_node, "Deployment/web: has emptyDirs and no annotation")
def scratch_that_holds_a_node(m: Manifests) -> None:
    del find(m, "Deployment/web")["spec"]["template"]["metadata"]["annotations"]


@plants(pods.no_api_access, "ServiceAccount/web: automountServiceAccountToken is not false")
def account_with_a_token(m: Manifests) -> None:
    del find(m, "ServiceAccount/web")["automountServiceAccountToken"]


@plants(pods.no_api_access, "Deployment/web: automountServiceAccountToken is not false")
def pod_with_a_token(m: Manifests) -> None:
    pod(m, "Deployment/web")["automountServiceAccountToken"] = True


@plants(pods.no_api_access, "Deployment/web: no service account of its own")
def default_account(m: Manifests) -> None:
    del pod(m, "Deployment/web")["serviceAccountName"]


@plants(pods.no_service_links, "Deployment/worker: enableServiceLinks is not false")
def service_links(m: Manifests) -> None:
    del pod(m, "Deployment/worker")["enableServiceLinks"]


@plants(pods.priorities_are_given, "Deployment/worker: no priorityClassName")
def classes_without_pods_of_theirs(m: Manifests) -> None:
    m.objects.append({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1})


@plants(pods.priorities_are_given, "Deployment/web: no PriorityClass is called higher")
def class_that_is_not_there(m: Manifests) -> None:
    classes_without_pods_of_theirs(m)
    pod(m, "Deployment/web")["priorityClassName"] = "higher"


@plants(pods.probes_are_there, "Deployment/web: container web: no readinessProbe")
def no_readiness(m: Manifests) -> None:
    del container(m, "Deployment/web")["readinessProbe"]


@plants(pods.probes_are_there, "Deployment/worker: container worker: no livenessProbe")
def no_liveness(m: Manifests) -> None:
    container(m, "Deployment/worker").pop("livenessProbe")


@plants(pods.probes_are_there, "Deployment/nginx: container nginx: startupProbe without timeoutSeconds")
def probe_without_a_time_limit(m: Manifests) -> None:
    del container(m, "Deployment/nginx")["startupProbe"]["timeoutSeconds"]


@plants(pods.liveness_asks_the_process_only, "livenessProbe asks /readyz")
def liveness_that_asks_the_database(m: Manifests) -> None:
    container(m, "Deployment/web")["livenessProbe"]["httpGet"]["path"] = "/readyz"


@plants(secrets.no_secret_objects, "Secret/hubbub-secrets")
def secret_object(m: Manifests) -> None:
    data = {"SECRET_KEY": "c2VjcmV0"}
    m.objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hubbub-secrets"}, "data": data})


@plants(secrets.no_secret_values, "Deployment/web: container web: SECRET_KEY is a secret by its name")
def secret_in_a_variable(m: Manifests) -> None:
    container(m, "Deployment/web")["env"].append({"name": "SECRET_KEY", "value": "changeme"})


@plants(secrets.app_role_is_no_superuser, "POSTGRES_USER is the app's role hubbub")
def app_is_the_superuser(m: Manifests) -> None:
    container(m, "StatefulSet/postgres")["env"].append({"name": "POSTGRES_USER", "value": "hubbub"})


@plants(secrets.app_role_is_no_superuser, "so no script makes the role hubbub")
def role_script_is_not_mounted(m: Manifests) -> None:
    mounts = container(m, "StatefulSet/postgres")["volumeMounts"]
    mounts[:] = [mount for mount in mounts if mount["name"] != "role"]


@plants(secrets.no_secret_values, "PUBLIC_URL holds a URL with a password")
def password_in_a_url(m: Manifests) -> None:
    config(m, "hubbub-config")["PUBLIC_URL"] = "https://ada:lovelace@chat.example.com"


@plants(secrets.no_secret_values, "REDIS_PASSWORD is a secret by its name")
def secret_in_a_config_map(m: Manifests) -> None:
    config(m, "hubbub-config")["REDIS_PASSWORD"] = "changeme"


@plants(secrets.no_secret_values, "tls.pem holds a key or certificate")
def key_in_a_config_map(m: Manifests) -> None:
    config(m, "redis-config")["tls.pem"] = "-----BEGIN PRIVATE KEY-----\nMIIE"


@plants(secrets.no_secret_values, "looks like a random secret")
def secret_in_an_argument(m: Manifests) -> None:
    container(m, "Deployment/redis")["args"] = ["redis-server", "--requirepass", "q8Zt3vXk1LmB7wYp0RsD5nUc9HfJ2aGe"]


@plants(secrets.no_secret_values, "annotation/token")
def secret_in_an_annotation(m: Manifests) -> None:
    find(m, "Deployment/web")["metadata"]["annotations"] = {"annotation/token": "changeme"}


@plants(secrets.no_secret_values, "looks like a random secret")
def secret_in_a_probe(m: Manifests) -> None:
    command = ["redis-cli", "-a", "q8Zt3vXk1LmB7wYp0RsD5nUc9HfJ2aGe", "ping"]
    container(m, "Deployment/redis")["livenessProbe"]["exec"]["command"] = command
