"""Violations of the rules about rollouts, draining, replicas and Jobs."""

from __future__ import annotations

from k8s.checks.manifests import Manifests
from k8s.checks.rules import lifecycle
from tests.k8s.planting import config, container, find, plants, pod, remove


@plants(lifecycle.grace_covers_the_drain, "Deployment/web: terminationGracePeriodSeconds 30 is too short")
def short_grace(m: Manifests) -> None:
    pod(m, "Deployment/web")["terminationGracePeriodSeconds"] = 30


@plants(
    lifecycle.grace_covers_the_drain,
    "Deployment/web: terminationGracePeriodSeconds 45 is too short: preStop 10 + DRAIN_SECONDS 40",
)
def longer_drain(m: Manifests) -> None:
    config(m, "hubbub-config")["DRAIN_SECONDS"] = "40"


@plants(lifecycle.grace_covers_the_drain, "Deployment/web: terminationGracePeriodSeconds 45 is too short: preStop 20")
def longer_sleep(m: Manifests) -> None:
    container(m, "Deployment/web")["lifecycle"]["preStop"]["sleep"]["seconds"] = 20


@plants(lifecycle.grace_covers_the_drain, "Deployment/worker: no terminationGracePeriodSeconds")
def no_grace(m: Manifests) -> None:
    del pod(m, "Deployment/worker")["terminationGracePeriodSeconds"]


@plants(lifecycle.endpoints_drain_first, "Deployment/web: no preStop sleep")
def no_pre_stop(m: Manifests) -> None:
    del container(m, "Deployment/web")["lifecycle"]


@plants(lifecycle.rollouts_keep_capacity, "Deployment/web: rollingUpdate is {'maxSurge': 1, 'maxUnavailable': 1}")
def rollout_that_takes_pods_away(m: Manifests) -> None:
    find(m, "Deployment/web")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = 1


@plants(lifecycle.rollouts_keep_capacity, "Deployment/nginx: rollingUpdate is the default")
def default_rollout(m: Manifests) -> None:
    del find(m, "Deployment/nginx")["spec"]["strategy"]


@plants(lifecycle.rollouts_keep_capacity, "Deployment/redis: revisionHistoryLimit")
def endless_history(m: Manifests) -> None:
    del find(m, "Deployment/redis")["spec"]["revisionHistoryLimit"]


@plants(lifecycle.replicas_survive_a_node, "Deployment/web: no topologySpreadConstraints")
def no_spread(m: Manifests) -> None:
    del pod(m, "Deployment/web")["topologySpreadConstraints"]


@plants(lifecycle.replicas_survive_a_node, "Deployment/web: the spread over kubernetes.io/hostname selects other pods")
def spread_of_other_pods(m: Manifests) -> None:
    spread = pod(m, "Deployment/web")["topologySpreadConstraints"][0]
    spread["labelSelector"] = {"matchLabels": {"app.kubernetes.io/component": "nginx"}}


@plants(lifecycle.replicas_survive_a_node, "Deployment/nginx: 0 PodDisruptionBudgets")
def no_budget(m: Manifests) -> None:
    remove(m, "PodDisruptionBudget/nginx")


@plants(lifecycle.replicas_survive_a_node, "Deployment/worker: 0 PodDisruptionBudgets")
def scaled_without_a_budget(m: Manifests) -> None:
    find(m, "Deployment/worker")["spec"]["replicas"] = 2


@plants(lifecycle.budgets_let_nodes_drain, "PodDisruptionBudget/web: allows no eviction of Deployment/web with 3 replicas")
def budget_that_blocks(m: Manifests) -> None:
    spec = find(m, "PodDisruptionBudget/web")["spec"]
    del spec["maxUnavailable"]
    spec["minAvailable"] = 3


@plants(lifecycle.budgets_let_nodes_drain, "PodDisruptionBudget/nginx: allows no eviction")
def budget_of_nothing(m: Manifests) -> None:
    find(m, "PodDisruptionBudget/nginx")["spec"]["maxUnavailable"] = 0


@plants(lifecycle.no_jobs, "Job/migrate-0-1-0: each `kubectl diff` would differ once it is gone")
def migration_as_a_job(m: Manifests) -> None:
    template = {"metadata": {}, "spec": pod(m, "Deployment/worker")}
    m.objects.append({"kind": "Job", "metadata": {"name": "migrate-0-1-0"}, "spec": {"template": template}})


@plants(lifecycle.migrations_run_first, "no init container migrates")
def no_migration(m: Manifests) -> None:
    del pod(m, "Deployment/worker")["initContainers"]


@plants(lifecycle.migrations_run_first, "Deployment/worker: container migrate: fails while the database starts")
def migration_that_does_not_wait(m: Manifests) -> None:
    pod(m, "Deployment/worker")["initContainers"][0]["args"].remove("--wait")


@plants(lifecycle.services_have_an_address, "Service/postgres: headless, so a new pod of StatefulSet/postgres is found only")
def database_without_an_address(m: Manifests) -> None:
    find(m, "Service/postgres")["spec"]["clusterIP"] = "None"


@plants(lifecycle.endpoints_drain_first, "Deployment/web: no preStop sleep of at least 35 s, for a DNS may cache")
def pods_found_by_a_dns_that_caches(m: Manifests) -> None:
    find(m, "Service/web")["spec"]["clusterIP"] = "None"


@plants(lifecycle.autoscaling_is_gentle, "Deployment/web sets replicas")
def autoscaler_against_the_manifest(m: Manifests) -> None:
    find(m, "Deployment/web")["spec"]["replicas"] = 2


@plants(lifecycle.autoscaling_is_gentle, "scales Deployment/gone, which does not exist")
def autoscaler_of_nothing(m: Manifests) -> None:
    find(m, "HorizontalPodAutoscaler/web")["spec"]["scaleTargetRef"]["name"] = "gone"


@plants(lifecycle.autoscaling_is_gentle, "scaleDown waits less than 300 s")
def hasty_autoscaler(m: Manifests) -> None:
    find(m, "HorizontalPodAutoscaler/web")["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = 60


@plants(lifecycle.autoscaling_is_gentle, "scaleDown takes more than one pod at a time")
def greedy_autoscaler(m: Manifests) -> None:
    find(m, "HorizontalPodAutoscaler/web")["spec"]["behavior"]["scaleDown"]["policies"][0]["type"] = "Percent"
