"""Violations of the rules about references, the network and settings."""

from __future__ import annotations

from k8s.checks.manifests import Manifests
from k8s.checks.rules import network, settings, wiring
from tests.k8s.planting import config, container, find, plants, pod, remove

COMPONENT = "app.kubernetes.io/component"


@plants(wiring.selectors_match, "Deployment/web: its selector matches no pods")
def selector_of_nothing(m: Manifests) -> None:
    find(m, "Deployment/web")["spec"]["selector"]["matchLabels"][COMPONENT] = "other"


@plants(wiring.selectors_match, "Service/nginx: its selector matches no pods")
def service_of_nothing(m: Manifests) -> None:
    find(m, "Service/nginx")["spec"]["selector"][COMPONENT] = "proxy"


@plants(wiring.selectors_match, "PodDisruptionBudget/web: its selector matches")
def budget_of_everything(m: Manifests) -> None:
    find(m, "PodDisruptionBudget/web")["spec"]["selector"]["matchLabels"] = {"app.kubernetes.io/name": "hubbub"}


@plants(wiring.files_are_backed_up, "CronJob/backup: does not mount the claim files")
def backup_without_files(m: Manifests) -> None:
    template = {"metadata": {}, "spec": {**pod(m, "Deployment/worker"), "volumes": [{"name": "tmp", "emptyDir": {}}]}}
    job = {"jobTemplate": {"spec": {"template": template}}}
    m.objects.append({"kind": "CronJob", "metadata": {"name": "backup"}, "spec": job})
    m.objects.append({"kind": "PersistentVolumeClaim", "metadata": {"name": "files"}})


@plants(wiring.service_ports_exist, "Service/nginx: port https is not one of Deployment/nginx")
def service_port_that_is_closed(m: Manifests) -> None:
    find(m, "Service/nginx")["spec"]["ports"][0]["targetPort"] = "https"


@plants(wiring.service_ports_exist, "Service/web: headless, so port 80 must be the pods' 8000")
def headless_translation(m: Manifests) -> None:
    find(m, "Service/web")["spec"].update(clusterIP="None", ports=[{"port": 80, "targetPort": "http"}])


@plants(wiring.ingress_leads_somewhere, "Ingress/hubbub: leads to proxy")
def ingress_to_nothing(m: Manifests) -> None:
    find(m, "Ingress/hubbub")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "proxy"


@plants(wiring.ingress_leads_somewhere, "Ingress/hubbub: leads to nginx {'number': 8080}")
def ingress_to_a_wrong_port(m: Manifests) -> None:
    service = find(m, "Ingress/hubbub")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service["port"] = {"number": 8080}


@plants(wiring.references_exist, "Deployment/web: ServiceAccount/web does not exist")
def account_that_is_gone(m: Manifests) -> None:
    remove(m, "ServiceAccount/web")


@plants(wiring.references_exist, "Deployment/web: ConfigMap/hubbub-config does not exist")
def config_without_its_hash(m: Manifests) -> None:
    container(m, "Deployment/web")["envFrom"][0]["configMapRef"]["name"] = "hubbub-config"


@plants(wiring.references_exist, "Deployment/web: Secret/other does not exist and is not documented")
def secret_nobody_creates(m: Manifests) -> None:
    pod(m, "Deployment/web")["volumes"][0]["secret"]["secretName"] = "other"


@plants(wiring.references_exist, "Deployment/web: Secret/hubbub-secrets has no key SECRET")
def secret_key_nobody_creates(m: Manifests) -> None:
    pod(m, "Deployment/web")["volumes"][0]["secret"]["items"][0]["key"] = "SECRET"


@plants(wiring.references_exist, "has no key DRAIN")
def config_key_that_is_gone(m: Manifests) -> None:
    reference = {"name": container(m, "Deployment/web")["envFrom"][0]["configMapRef"]["name"], "key": "DRAIN"}
    container(m, "Deployment/web")["env"].append({"name": "X", "valueFrom": {"configMapKeyRef": reference}})


@plants(wiring.references_exist, "Deployment/nginx: mounts cache, which is no volume")
def mount_of_nothing(m: Manifests) -> None:
    container(m, "Deployment/nginx")["volumeMounts"].append({"name": "cache", "mountPath": "/cache"})


@plants(wiring.references_exist, "Deployment/nginx: volume cache is mounted nowhere")
def volume_for_nobody(m: Manifests) -> None:
    pod(m, "Deployment/nginx")["volumes"].append({"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}})


@plants(wiring.secret_files_are_mounted, "SECRET_KEY_FILE names /run/secrets/hubbub/SECRET_KEY, which no volume holds")
def secret_at_another_place(m: Manifests) -> None:
    container(m, "Deployment/web")["volumeMounts"][0]["mountPath"] = "/run/secrets"


@plants(wiring.one_namespace, "objects are in the namespaces default, hubbub")
def another_namespace(m: Manifests) -> None:
    find(m, "Service/web")["metadata"]["namespace"] = "default"


@plants(wiring.one_namespace, "Namespace/hubbub: `kubectl delete -k` would take the volume and the Secret with it")
def namespace_that_is_deleted_with_it(m: Manifests) -> None:
    m.objects.append({"kind": "Namespace", "metadata": {"name": "hubbub"}})


@plants(wiring.all_can_be_pruned, "Ingress/hubbub: no label app.kubernetes.io/part-of")
def object_that_pruning_does_not_find(m: Manifests) -> None:
    del find(m, "Ingress/hubbub")["metadata"]["labels"]


@plants(network.all_is_denied_first, "no NetworkPolicy denies everything")
def open_by_default(m: Manifests) -> None:
    remove(m, "NetworkPolicy/default-deny")


@plants(network.all_is_denied_first, "no NetworkPolicy denies everything")
def denial_that_allows(m: Manifests) -> None:
    find(m, "NetworkPolicy/default-deny")["spec"]["egress"] = [{}]


@plants(network.permissions_lead_somewhere, "NetworkPolicy/web: selects no pods")
def policy_of_nothing(m: Manifests) -> None:
    find(m, "NetworkPolicy/web")["spec"]["podSelector"]["matchLabels"][COMPONENT] = "app"


@plants(network.permissions_lead_somewhere, "NetworkPolicy/web: ingress names pods that do not exist")
def policy_for_nobody(m: Manifests) -> None:
    peer = find(m, "NetworkPolicy/web")["spec"]["ingress"][0]["from"][0]
    peer["podSelector"]["matchLabels"][COMPONENT] = "proxy"


@plants(network.permissions_lead_somewhere, "NetworkPolicy/nginx: port 8080 is not one of Deployment/web")
def policy_of_a_closed_port(m: Manifests) -> None:
    find(m, "NetworkPolicy/nginx")["spec"]["egress"][0]["ports"][0]["port"] = 8080


@plants(network.data_is_kept_away, "NetworkPolicy/postgres: lets nginx reach StatefulSet/postgres")
def nginx_reaches_the_database(m: Manifests) -> None:
    peer = find(m, "NetworkPolicy/postgres")["spec"]["ingress"][0]["from"][0]
    peer["podSelector"]["matchExpressions"][0]["values"].append("nginx")


@plants(network.data_is_kept_away, "NetworkPolicy/redis: lets everybody reach Deployment/redis")
def everybody_reaches_redis(m: Manifests) -> None:
    del find(m, "NetworkPolicy/redis")["spec"]["ingress"][0]["from"]


@plants(network.data_is_kept_away, "NetworkPolicy/redis: lets addresses reach Deployment/redis")
def addresses_reach_redis(m: Manifests) -> None:
    find(m, "NetworkPolicy/redis")["spec"]["ingress"][0]["from"] = [{"ipBlock": {"cidr": "10.0.0.0/8"}}]


@plants(network.servers_can_be_reached, "Deployment/redis: no NetworkPolicy lets anybody reach it")
def dead_end(m: Manifests) -> None:
    remove(m, "NetworkPolicy/redis")


@plants(settings.settings_are_known, "Deployment/web: container web: SIGNUP_OPENED is no setting of hubbub-web")
def misspelt_setting(m: Manifests) -> None:
    config(m, "hubbub-config")["SIGNUP_OPENED"] = "false"


@plants(settings.settings_are_known, "Deployment/nginx: container nginx: LIMIT_MESSAGES_PER_S is no setting of hubbub-nginx")
def setting_of_another_image(m: Manifests) -> None:
    config(m, "nginx-config")["LIMIT_MESSAGES_PER_S"] = "5"


@plants(settings.settings_are_known, "StatefulSet/postgres: container postgres: POSTGRES_DATABASE is no setting of postgres")
def unknown_setting_of_postgres(m: Manifests) -> None:
    container(m, "StatefulSet/postgres")["env"].append({"name": "POSTGRES_DATABASE", "value": "hubbub"})


@plants(settings.values_are_of_their_kind, "DRAIN_SECONDS='25s' is no int")
def number_with_a_unit(m: Manifests) -> None:
    config(m, "hubbub-config")["DRAIN_SECONDS"] = "25s"


@plants(settings.values_are_of_their_kind, "TRUSTED_PROXIES='10.0.0.0/8,ingress' is no networks")
def proxy_by_its_name(m: Manifests) -> None:
    config(m, "hubbub-config")["TRUSTED_PROXIES"] = "10.0.0.0/8,ingress"


@plants(settings.values_are_of_their_kind, "LOG_LEVEL='loud' is no choice")
def unknown_choice(m: Manifests) -> None:
    config(m, "hubbub-config")["LOG_LEVEL"] = "loud"


@plants(settings.values_are_of_their_kind, "SIGNUP_OPEN='no one' is no bool")
def half_a_switch(m: Manifests) -> None:
    config(m, "hubbub-config")["SIGNUP_OPEN"] = "no one"


@plants(settings.strangers_stay_out, "SIGNUP_OPEN is not false")
def open_sign_up(m: Manifests) -> None:
    del config(m, "hubbub-config")["SIGNUP_OPEN"]


@plants(settings.strangers_stay_out, "ALLOW_SEED is not false")
def seeding(m: Manifests) -> None:
    config(m, "hubbub-config")["ALLOW_SEED"] = "1"


@plants(settings.public_address_agrees, "PUBLIC_URL: 0 values are set")
def no_public_address(m: Manifests) -> None:
    del config(m, "hubbub-config")["PUBLIC_URL"]


@plants(settings.public_address_agrees, "PUBLIC_URL: is not as browsers send it")
def public_url_with_capitals(m: Manifests) -> None:
    config(m, "hubbub-config")["PUBLIC_URL"] = "https://Chat.example.com"


@plants(settings.public_address_agrees, "PUBLIC_URL: is not as browsers send it")
def public_url_with_the_usual_port(m: Manifests) -> None:
    config(m, "hubbub-config")["PUBLIC_URL"] = "https://chat.example.com:443"


@plants(settings.public_address_agrees, "PUBLIC_URL: is not as browsers send it")
def public_url_with_a_slash(m: Manifests) -> None:
    config(m, "hubbub-config")["PUBLIC_URL"] = "https://chat.example.com/"


@plants(settings.public_address_agrees, "PUBLIC_URL: starts with http: use https")
def plain_public_address(m: Manifests) -> None:
    config(m, "hubbub-config")["PUBLIC_URL"] = "http://chat.example.com"


@plants(settings.public_address_agrees, "Ingress/hubbub: answers for other.example.com")
def ingress_of_another_host(m: Manifests) -> None:
    spec = find(m, "Ingress/hubbub")["spec"]
    spec["rules"][0]["host"] = spec["tls"][0]["hosts"][0] = "other.example.com"


@plants(settings.public_address_agrees, "Ingress/hubbub: no tls")
def ingress_in_the_clear(m: Manifests) -> None:
    del find(m, "Ingress/hubbub")["spec"]["tls"]


@plants(settings.tls_ends_once, "Deployment/nginx: ends TLS, and so does Ingress/hubbub")
def tls_twice(m: Manifests) -> None:
    container(m, "Deployment/nginx")["env"].append({"name": "TLS_CERTIFICATE", "value": "/run/secrets/tls/tls.crt"})


@plants(settings.upstream_is_web, "UPSTREAM web.hubbub.svc.cluster.local is not the bare name")
def upstream_of_one_namespace(m: Manifests) -> None:
    container(m, "Deployment/nginx")["env"][0]["value"] = "web.hubbub.svc.cluster.local:8000"


@plants(settings.upstream_is_web, "UPSTREAM names port 80, which Service/web does not have")
def upstream_on_a_wrong_port(m: Manifests) -> None:
    container(m, "Deployment/nginx")["env"][0]["value"] = "web:80"


@plants(settings.nginx_has_its_own_settings, "reads ConfigMap/hubbub-config")
def nginx_that_follows_the_app(m: Manifests) -> None:
    name = container(m, "Deployment/web")["envFrom"][0]["configMapRef"]["name"]
    reference = {"name": name, "key": "DRAIN_SECONDS"}
    container(m, "Deployment/nginx")["env"].append({"name": "DRAIN_SECONDS", "valueFrom": {"configMapKeyRef": reference}})


@plants(settings.nginx_has_its_own_settings, "LIMIT_HANDSHAKES_PER_S is 50, and 0 for web")
def limit_lifted_in_one_of_two_places(m: Manifests) -> None:
    config(m, "hubbub-config")["LIMIT_HANDSHAKES_PER_S"] = "0"


@plants(settings.requests_fit_a_small_node, "CPU with a rollout under way: a small node has 1500m")
def requests_above_a_small_node(m: Manifests) -> None:
    container(m, "Deployment/web")["resources"]["requests"]["cpu"] = "500m"


@plants(settings.requests_fit_a_small_node, "MiB with a rollout under way: a small node has 2560 MiB")
def memory_above_a_small_node(m: Manifests) -> None:
    container(m, "Deployment/web")["resources"]["requests"]["memory"] = "1Gi"


@plants(settings.connections_fit, "max_connections 300 is below")
def more_pods_than_connections(m: Manifests) -> None:
    find(m, "HorizontalPodAutoscaler/web")["spec"]["maxReplicas"] = 40


@plants(settings.connections_fit, "max_connections 300 is below")
def more_workers_than_connections(m: Manifests) -> None:
    container(m, "Deployment/web")["resources"]["limits"]["cpu"] = "8"


@plants(settings.memory_ceiling_fits, "WORKER_MEMORY_MAX_MB 700 for each worker and a successor is 1656 MiB, of 1Gi")
def ceiling_above_the_pods_memory(m: Manifests) -> None:
    config(m, "hubbub-config")["WORKER_MEMORY_MAX_MB"] = "700"


@plants(settings.memory_ceiling_fits, "WORKER_MEMORY_MAX_MB 384 for each worker and a successor is 1168 MiB, of 1Gi")
def more_set_aside_than_is_left(m: Manifests) -> None:
    config(m, "hubbub-config").update(WORKER_MEMORY_MAX_MB="384", WORKER_MEMORY_MB="400")


@plants(settings.connections_fit, "max_connections 100 is below")
def default_connections(m: Manifests) -> None:
    del container(m, "StatefulSet/postgres")["args"]
