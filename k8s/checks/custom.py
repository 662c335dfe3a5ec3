"""Schemas of objects that are not Kubernetes' own.

They have the fields that we use, and no others. kubernetes_validate knows none of them, and their definitions come with their
operators. What an operator's release refuses beyond that, `kubectl apply --dry-run=server` says (docs/verification.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "integer"}
YES_NO: Schema = {"type": "boolean"}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(h|m|s|ms))+$"}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def shape(required: str = "", **fields: Schema) -> Schema:
    """Return an object with these fields and no others.

    `required` names the mandatory ones.
    """
    return {"type": "object", "properties": fields, "required": required.split(), "additionalProperties": False}


def several(of: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": of, "minItems": least}


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


LABELS = shape(matchLabels=TEXTS)
NAMED = shape("name", name=TEXT)
POLICY = shape("type value periodSeconds", type=one_of("Pods", "Percent"), value=NUMBER, periodSeconds=NUMBER)
SCALING = shape("policies", stabilizationWindowSeconds=NUMBER, policies=several(POLICY))
RULE = shape("alert expr labels annotations", alert=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS, **{"for": DURATION})
HOW_MUCH = shape(cpu=TEXT, memory=TEXT)

SPECS: dict[tuple[str, str], Schema] = {
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): shape(
        "parentRefs hostnames rules",
        parentRefs=several(shape("name", name=TEXT, namespace=TEXT, sectionName=TEXT)),
        hostnames=several({"type": "string", "pattern": r"^[a-z0-9.-]+$"}),
        rules=several(
            shape(
                "backendRefs",
                matches=several(shape("path", path=shape("type value", type=one_of("PathPrefix", "Exact"), value=TEXT))),
                timeouts=shape(request=DURATION, backendRequest=DURATION),
                backendRefs=several(shape("name port", name=TEXT, port=NUMBER)),
            )
        ),
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): shape(
        "selector podMetricsEndpoints",
        jobLabel=TEXT,
        selector=LABELS,
        podMetricsEndpoints=several(shape("port", port=TEXT, path=TEXT, interval=DURATION, scrapeTimeout=DURATION)),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): shape(
        "groups", groups=several(shape("name rules", name=TEXT, rules=several(RULE)))
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): shape(
        "scaleTargetRef triggers",
        scaleTargetRef=shape("name", apiVersion=TEXT, kind=TEXT, name=TEXT),
        minReplicaCount=NUMBER,
        maxReplicaCount=NUMBER,
        pollingInterval=NUMBER,
        fallback=shape(
            "failureThreshold replicas",
            failureThreshold=NUMBER,
            replicas=NUMBER,
            behavior=one_of("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"),
        ),
        triggers=several(
            shape(
                "type metadata",
                type=one_of("prometheus", "cpu"),
                metricType=one_of("AverageValue", "Value", "Utilization"),
                metadata=TEXTS,
            )
        ),
        advanced=shape(horizontalPodAutoscalerConfig=shape(behavior=shape(scaleUp=SCALING, scaleDown=SCALING))),
    ),
    ("postgresql.cnpg.io/v1", "Cluster"): shape(
        "instances storage bootstrap",
        instances=NUMBER,
        imageName=TEXT,
        primaryUpdateStrategy=one_of("unsupervised", "supervised"),
        postgresql=shape(
            synchronous=shape(
                "method number", method=one_of("any", "first"), number=NUMBER, dataDurability=one_of("required", "preferred")
            ),
            parameters=TEXTS,
        ),
        bootstrap=shape(
            initdb=shape(
                "database owner",
                database=TEXT,
                owner=TEXT,
                encoding=TEXT,
                dataChecksums=YES_NO,
                secret=NAMED,
                postInitApplicationSQL=several(TEXT),
            )
        ),
        managed=shape(
            roles=several(shape("name", name=TEXT, ensure=one_of("present", "absent"), login=YES_NO, passwordSecret=NAMED))
        ),
        storage=shape("size", size=TEXT, storageClass=TEXT),
        walStorage=shape("size", size=TEXT, storageClass=TEXT),
        resources=shape(requests=HOW_MUCH, limits=HOW_MUCH),
        priorityClassName=TEXT,
        affinity=shape(enablePodAntiAffinity=YES_NO, topologyKey=TEXT, podAntiAffinityType=one_of("preferred", "required")),
        backup=shape(volumeSnapshot=shape(className=TEXT)),
        monitoring=shape(enablePodMonitor=YES_NO),
    ),
    ("postgresql.cnpg.io/v1", "ScheduledBackup"): shape(
        "schedule cluster",
        # With seconds first.
        schedule={"type": "string", "pattern": r"^(\S+ ){5}\S+$"},
        method=one_of("volumeSnapshot", "barmanObjectStore", "plugin"),
        backupOwnerReference=one_of("none", "self", "cluster"),
        cluster=NAMED,
    ),
}
METADATA = shape("name", name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)


def knows(item: dict[str, Any]) -> bool:
    return (item["apiVersion"], item["kind"]) in SPECS


def makes_pods(item: dict[str, Any]) -> bool:
    """Return whether an operator makes pods from the object.

    They take its priorityClassName.
    """
    return knows(item) and "priorityClassName" in SPECS[item["apiVersion"], item["kind"]]["properties"]


def violations(item: dict[str, Any]) -> Iterator[str]:
    """Yield the violations of the object's schema, with the field's path."""
    spec = SPECS[item["apiVersion"], item["kind"]]
    whole = shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=METADATA, spec=spec)
    for error in Draft202012Validator(whole).iter_errors(item):
        yield f"{'.'.join(map(str, error.absolute_path)) or 'the object'}: {error.message}"
