"""Violations of the rules about rollouts, draining, replicas, Jobs and the autoscaler."""

from __future__ import annotations

from k8s.checks.manifests import Manifests
from k8s.checks.rules import lifecycle
from tests.k8s.planting import config, container, find, job, plants, pod, remove


@plants(lifecycle.grace_covers_the_drain, "Deployment/web: terminationGracePeriodSeconds 30 is too short")
def short_grace(m: Manifests) -> None:
    pod(m, "Deployment/web")["terminationGracePeriodSeconds"] = 30


@plants(
    lifecycle.grace_covers_the_drain,
    "Deployment/nginx: terminationGracePeriodSeconds 45 is too short: preStop 10 + DRAIN_SECONDS 40",
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


@plants(lifecycle.jobs_end, "no ttlSecondsAfterFinished")
def job_that_stays(m: Manifests) -> None:
    del job(m)["spec"]["ttlSecondsAfterFinished"]


@plants(lifecycle.jobs_end, "no activeDeadlineSeconds")
def job_that_hangs(m: Manifests) -> None:
    del job(m)["spec"]["activeDeadlineSeconds"]


@plants(lifecycle.job_template_is_stable, "reads ConfigMap/hubbub-config-abc")
def job_with_generated_settings(m: Manifests) -> None:
    job_container = job(m)["spec"]["template"]["spec"]["containers"][0]
    job_container["envFrom"] = [{"configMapRef": {"name": "hubbub-config-abc"}}]


@plants(lifecycle.job_template_is_stable, "volume settings: reads ConfigMap/hubbub-config-abc")
def job_with_a_generated_volume(m: Manifests) -> None:
    volume = {"name": "settings", "configMap": {"name": "hubbub-config-abc"}}
    job(m)["spec"]["template"]["spec"]["volumes"].append(volume)


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
