"""Bad values are refused before anything is installed, with a message that names the key."""

import json
from pathlib import Path

import kubernetes_validate
import pytest

from chart import CHART, SIDECAR_APP, enough, refusal, render, sidecar_app, texts, workload

TLS = {"enabled": True, "existingSecret": "certificate"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        # What the schema sees.
        ({"mode": "cluster"}, "/mode"),
        ({"replicas": 0}, "/replicas"),
        ({"replicas": "two"}, "/replicas"),
        ({"polices": {}}, "'polices'"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"policies": {"../session.yaml": ""}}, "invalid propertyName '../session.yaml'"),
        ({"policies": {"session.yaml": {"not": "text"}}}, "/policies/session.yaml"),
        ({"ports": {"grpc": 70000}}, "/ports/grpc"),
        ({"listenAddress": "localhost"}, "/listenAddress"),
        (
            {"auth": {"tokens": [{"name": "a", "sha256": "secret", "permissions": ["decide"]}]}},
            "/auth/tokens/0/sha256",
        ),
        (
            {"auth": {"tokens": [{"name": "a", "sha256": "0" * 64, "permissions": ["all"]}]}},
            "/auth/tokens/0/permissions/0",
        ),
        ({"config": {"data": "/tmp"}}, "'data'"),
        ({"config": {"listen": {"grpc": "0.0.0.0:1"}}}, "/config/listen"),
        ({"config": {"tls": {}}}, "'tls'"),
        ({"config": {"server": {"drain_second": 1}}}, "'drain_second'"),
        ({"config": {"server": {"drain_seconds": -1}}}, "/config/server/drain_seconds"),
        (
            {"config": {"telemetry": {"otlp": {"endpoint": "collector:4317"}}}},
            "/config/telemetry/otlp/endpoint",
        ),
        ({"config": {"telemetry": {"log_format": "xml"}}}, "/config/telemetry/log_format"),
        (
            {"config": {"identity": {"address": [{"forwarded_for": {"trusted_hops": 0}}]}}},
            "/config/identity/address/0/forwarded_for/trusted_hops",
        ),
        ({"config": {"identity": {"user": [{"header": "X-User"}]}}}, "/config/identity/user/0/header"),
        ({"data": {"type": "pvc"}}, "/data/type"),
        ({"data": {"size": "much"}}, "/data/size"),
        ({"resources": {"limits": {"memory": "1.5Gi"}}}, "/resources/limits/memory"),
        ({"preStopSeconds": -1}, "/preStopSeconds"),
        ({"tls": {**TLS, "listeners": []}}, "/tls/listeners"),
        ({"securityContext": {"readOnlyRootFilesytem": True}}, "'readOnlyRootFilesytem'"),
        ({"securityContext": {"runAsUser": 0}}, "/securityContext/runAsUser"),
        ({"securityContext": {"capabilities": {"dorp": ["ALL"]}}}, "'dorp'"),
        ({"securityContext": {"fsGroup": 1}}, "'fsGroup'"),
        ({"podSecurityContext": {"runAsUser": 0}}, "/podSecurityContext/runAsUser"),
        ({"podSecurityContext": {"runAsNonroot": True}}, "'runAsNonroot'"),
        (
            {"podSecurityContext": {"seccompProfile": {"type": "Default"}}},
            "/podSecurityContext/seccompProfile/type",
        ),
        ({"networkPolicy": {"from": []}}, "'from'"),
        ({"metrics": {"prometheusRule": {"overrides": {"PlimsollSlow": {"when": "1"}}}}}, "'when'"),
        # What doesn't go together.
        ({"policies": None}, "policies: "),
        ({"existingPolicyConfigMap": "mine"}, "existingPolicyConfigMap: "),
        ({"policyItems": [{"key": "a", "path": "b"}]}, "policyItems: "),
        ({"auth": {"tokens": []}}, "auth: nobody could ask"),
        ({"auth": {"existingSecret": "callers"}}, "auth.existingSecret: "),
        (
            {"config": {"auth": {"callers": [{"name": "edge", "permissions": ["decide"]}]}}},
            "config.auth.callers: ",
        ),
        ({"tls": {"enabled": True}}, "tls.enabled: "),
        ({"mode": "sidecar", "tls": TLS}, "tls.enabled: "),
        ({"tls": {**TLS, "certManager": {"enabled": True}}}, "tls.existingSecret: "),
        ({"tls": {"enabled": True, "certManager": {"enabled": True}}}, "tls.certManager.issuerRef.name: "),
        ({"tls": {**TLS, "clientAuth": True}}, "tls.clientAuth: the kubelet"),
        ({"tls": {"clientAuth": True}}, "tls.clientAuth: needs"),
        ({"data": {"type": "volume"}}, "data.type: "),
        ({"mode": "statefulset"}, "mode: "),
        ({"hostPorts": True}, "hostPorts: "),
        ({"config": {"signals": {"max_bytes": 2**31}}}, "resources.limits.memory: "),
        ({"config": {"signals": {"max_bytes": None}}}, "resources.limits.memory: "),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.serviceMonitor.tokenSecret.name: "),
        (
            {
                "mode": "sidecar",
                "metrics": {"serviceMonitor": {"enabled": True, "tokenSecret": {"name": "scrape"}}},
            },
            "metrics.serviceMonitor.enabled: a sidecar",
        ),
        ({"mode": "sidecar", "networkPolicy": {"enabled": True}}, "networkPolicy.enabled: a sidecar"),
        ({"metrics": {"prometheusRule": {"disabled": ["PlimsollTired"]}}}, "`PlimsollTired`"),
    ],
    ids=str,
)
def test_bad_values_are_refused(values, named):
    assert named in refusal(enough(values))


def test_a_sidecar_needs_its_mode():
    with pytest.raises(Exception, match="mode: sidecar"):
        sidecar_app({"plimsoll": {"mode": "deployment", "auth": {"existingSecret": "callers"}}})


def keys_of_the_api(name):
    """The keys of one of its objects, and of the objects in it."""
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    schema = json.loads(
        (folder / f"v{kubernetes_validate.latest_version()}-local-strict" / f"{name}-v1.json").read_text()
    )
    keys = {}
    for key, each in schema["properties"].items():
        inner = each.get("$ref") or each.get("items", {}).get("$ref")
        keys[key] = keys_of_the_api(inner.rsplit(".", 1)[1].lower()) if inner else None
    return keys


def keys_of(schema):
    schema = schema.get("items", schema)
    return {key: keys_of(each) for key, each in schema["properties"].items()} if "properties" in schema else None


@pytest.mark.parametrize("key", ["podSecurityContext", "securityContext"])
def test_the_schema_has_the_keys_of_the_api(key):
    ours = json.loads((CHART / "values.schema.json").read_text())["properties"][key]
    assert keys_of(ours) == keys_of_the_api(key.lower())


def test_good_values_are_taken():
    """Or the above would show nothing."""
    assert texts(enough()) and SIDECAR_APP.exists()
    # As a platform wants it that gives each namespace users of its own.
    own = {
        "securityContext": {"runAsUser": None, "runAsGroup": None},
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": 1000650000},
    }
    spec = workload(render(own))["spec"]["template"]["spec"]
    assert "runAsUser" not in spec["securityContext"] | spec["containers"][0]["securityContext"]
