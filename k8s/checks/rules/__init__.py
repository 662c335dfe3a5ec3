"""Our rules.

A rule yields one sentence for each violation in a rendering, the object's name first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from k8s.checks.manifests import Manifests
from k8s.checks.rules import images, lifecycle, network, pods, secrets, settings, wiring

Rule = Callable[[Manifests], Iterator[str]]

RULES: tuple[Rule, ...] = (
    images.image_is_pinned,
    images.release_is_one,
    pods.resources_are_bounded,
    pods.scratch_is_bounded,
    pods.runs_unprivileged,
    pods.root_file_system_is_read_only,
    pods.scratch_does_not_hold_a_node,
    pods.no_api_access,
    pods.no_service_links,
    pods.priorities_are_given,
    pods.probes_are_there,
    pods.liveness_asks_the_process_only,
    secrets.app_role_is_no_superuser,
    secrets.no_secret_objects,
    secrets.no_secret_values,
    lifecycle.grace_covers_the_drain,
    lifecycle.endpoints_drain_first,
    lifecycle.services_have_an_address,
    lifecycle.rollouts_keep_capacity,
    lifecycle.replicas_survive_a_node,
    lifecycle.budgets_let_nodes_drain,
    lifecycle.no_jobs,
    lifecycle.migrations_run_first,
    lifecycle.autoscaling_is_gentle,
    wiring.selectors_match,
    wiring.files_are_backed_up,
    wiring.service_ports_exist,
    wiring.ingress_leads_somewhere,
    wiring.references_exist,
    wiring.secret_files_are_mounted,
    wiring.one_namespace,
    wiring.all_can_be_pruned,
    network.all_is_denied_first,
    network.permissions_lead_somewhere,
    network.data_is_kept_away,
    network.servers_can_be_reached,
    settings.settings_are_known,
    settings.values_are_of_their_kind,
    settings.strangers_stay_out,
    settings.public_address_agrees,
    settings.tls_ends_once,
    settings.upstream_is_web,
    settings.nginx_has_its_own_settings,
    settings.requests_fit_a_small_node,
    settings.connections_fit,
    settings.memory_ceiling_fits,
)


def violations(manifests: Manifests) -> Iterator[tuple[str, str]]:
    """Yield (name of the rule, violation)."""
    for rule in RULES:
        for found in rule(manifests):
            yield rule.__name__, found
