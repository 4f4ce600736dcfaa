"""What is rendered is what the Kubernetes API takes, in every mode, and as secure as it is said to be."""

import itertools
import json

import kubernetes_validate
import pytest
import yaml
from helm_python import lint

from chart import CHART, NAME, NAMESPACE, enough, parsed, render, sidecar_app, texts, the, workload

MODES = {
    "deployment": {},
    "statefulset": {
        "mode": "statefulset",
        "data": {"type": "volume", "storageClassName": "fast", "annotations": {"a": "b"}},
    },
    "daemonset": {"mode": "daemonset"},
    "daemonset on the node's ports": {"mode": "daemonset", "hostPorts": True},
    "sidecar": {"mode": "sidecar"},
}
CERT_MANAGER = {
    "tls": {
        "enabled": True,
        "certManager": {"enabled": True, "issuerRef": {"name": "ca"}, "dnsNames": ["pdp.example.com"]},
    }
}
SIDES = {
    "as it is": {},
    "replicas": {"replicas": 3},
    "all that is optional": {
        "replicas": 2,
        "image": {"digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "fullnameOverride": "pdp",
        "commonLabels": {"team": "edge"},
        "commonAnnotations": {"owner": "edge"},
        "podLabels": {"pod": "label"},
        "podAnnotations": {"pod": "annotation"},
        "serviceAccount": {"annotations": {"a": "b"}, "name": "pdp-account"},
        "service": {"annotations": {"a": "b"}, "type": "LoadBalancer"},
        "env": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "extraVolumes": [{"name": "geo", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "geo", "mountPath": "/geo"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "priorityClassName": "high",
        "networkPolicy": {
            "enabled": True,
            "grpcFrom": [],
            "egressTo": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
            "extraEgress": [{"ports": [{"port": 4222, "protocol": "TCP"}]}],
        },
        "config": {
            "jwt": {
                "jwks": "https://idp.example.com/keys",
                "issuer": "https://idp.example.com",
                "audience": "shop",
                "algorithms": ["ES256"],
            },
            "telemetry": {"otlp": {"endpoint": "http://collector:4317"}},
        },
        "metrics": {
            "serviceMonitor": {
                "enabled": True,
                "tokenSecret": {"name": "scrape"},
                "labels": {"release": "prometheus"},
            },
            "prometheusRule": {"enabled": True},
            "dashboard": {"enabled": True},
        },
    },
    "policies elsewhere": {
        "policies": None,
        "existingPolicyConfigMap": "mine",
        "policyItems": [{"key": "m", "path": "feeds/malicious.netset"}],
    },
    "IPv6": {"listenAddress": "[::]"},
}
EVERY = [pytest.param(mode, side, id=f"{mode}, {side}") for mode, side in itertools.product(MODES, SIDES)]
EVERY += [pytest.param(mode, "TLS", id=f"{mode}, TLS") for mode in MODES if mode != "sidecar"]
VERSIONS = ["1.30.0", kubernetes_validate.latest_version()]


def values_of(mode, side):
    side = (
        CERT_MANAGER | {"metrics": {"serviceMonitor": {"enabled": True, "tokenSecret": {"name": "scrape"}}}}
        if side == "TLS"
        else SIDES[side]
    )
    values = enough(side, MODES[mode])
    if mode == "sidecar":
        # Refused there: pods and their ports are the application's.
        for key in (values.get("networkPolicy"), values.get("metrics", {}).get("serviceMonitor")):
            if key:
                key["enabled"] = False
    return values


def check_custom(each):
    """What is not of Kubernetes itself: the fields that matter."""
    spec = each["spec"]
    if each["kind"] == "Certificate":
        assert spec["secretName"] and spec["issuerRef"] == {
            "name": "ca",
            "kind": "Issuer",
            "group": "cert-manager.io",
        }
        assert (
            f"{each['metadata']['name']}.{NAMESPACE}.svc" in spec["dnsNames"]
            and "pdp.example.com" in spec["dnsNames"]
        )
        assert spec["usages"] == ["server auth"]
    elif each["kind"] == "ServiceMonitor":
        (endpoint,) = spec["endpoints"]
        assert (
            endpoint["port"] == "http"
            and endpoint["path"] == "/metrics"
            and endpoint["scheme"] in ("http", "https")
        )
        assert endpoint["authorization"]["credentials"] == {"name": "scrape", "key": "token"}
        assert ("tlsConfig" in endpoint) == (endpoint["scheme"] == "https")
    else:
        assert each["kind"] == "PrometheusRule"
        assert all(
            rule["alert"] and rule["expr"] and rule["labels"]["severity"]
            for group in spec["groups"]
            for rule in group["rules"]
        )


@pytest.mark.parametrize(("mode", "side"), EVERY)
def test_the_api_takes_what_is_rendered(mode, side):
    values = values_of(mode, side)
    report = lint(CHART, values, strict=True)
    assert not report["errors"] and all(message["severity"] < 2 for message in report["messages"]), report
    objects = parsed(texts(values))
    assert len({(o["kind"], o["metadata"]["name"]) for o in objects}) == len(objects)
    for each in objects:
        assert each["metadata"]["namespace"] == NAMESPACE
        if each["apiVersion"].split("/")[0] in ("cert-manager.io", "monitoring.coreos.com"):
            check_custom(each)
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_checks_of_the_api_can_fail():
    deployment = workload(render())
    deployment["spec"]["template"]["spec"]["containers"][0]["volumemounts"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "sidecar"])
def test_pods_have_no_rights(mode):
    spec = workload(render(MODES[mode]))["spec"]["template"]["spec"]
    assert_no_rights(spec["containers"][0])
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert the(render(MODES[mode]), "ServiceAccount")["automountServiceAccountToken"] is False


def assert_no_rights(container):
    security = container["securityContext"]
    assert security["runAsNonRoot"] and security["runAsUser"] > 0 and security["readOnlyRootFilesystem"]
    assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable in ([], ["/var/lib/plimsoll"])


def test_services_find_the_pods():
    objects = render(SIDES["all that is optional"])
    template = workload(objects)["spec"]["template"]
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    labels = template["metadata"]["labels"].items()
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        for each in (o for o in objects if o["kind"] == kind):
            selector = each["spec"].get("selector") or each["spec"]["podSelector"]
            assert labels >= selector.get("matchLabels", selector).items(), each
            assert {port["targetPort"] for port in each["spec"].get("ports", [])} <= ports
    monitor = the(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    matched = [o for o in objects if o["kind"] == "Service" and o["metadata"]["labels"].items() >= monitor]
    assert len(matched) == 1, "each pod would be scraped twice"
    assert the(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "pdp-account"


def test_replicas_are_told_apart_and_kept():
    objects = render(MODES["statefulset"], {"replicas": 2})
    stateful = the(objects, "StatefulSet")["spec"]
    assert the(objects, "Service", stateful["serviceName"])["spec"]["clusterIP"] == "None"
    (claim,) = stateful["volumeClaimTemplates"]
    mounts = stateful["template"]["spec"]["containers"][0]["volumeMounts"]
    assert claim["metadata"]["name"] in {mount["name"] for mount in mounts}
    assert the(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    # One alone would keep its node from being drained.
    assert "PodDisruptionBudget" not in {o["kind"] for o in render()}


def test_callers_of_a_daemonset_stay_on_their_node():
    assert the(render(MODES["daemonset"]), "Service", NAME)["spec"]["internalTrafficPolicy"] == "Local"


def test_only_what_is_configured_may_go_out():
    egress = lambda *values: the(render({"networkPolicy": {"enabled": True}}, *values), "NetworkPolicy")[
        "spec"
    ]["egress"]
    assert egress() == []
    jwks = {"issuer": "i", "audience": "a", "algorithms": ["ES256"]}
    named, keys = egress(
        {
            "config": {
                "jwt": {**jwks, "jwks": "https://idp.example.com:8443/keys"},
                "auth": {"jwt": {**jwks, "jwks": "https://idp.example.com/keys"}},
                "telemetry": {"otlp": {"endpoint": "http://collector:4317"}},
            }
        }
    )
    assert {port["port"] for port in named["ports"]} == {53}
    assert [port["port"] for port in keys["ports"]] == [8443, 443, 4317]
    lists = "lists:\n  a: {type: cidr, url: 'https://feeds.example:8444/x', every: 1h}\n  # b: {url: http://old.example:81}\n"
    names, feeds = egress({"policies": {"lists.yaml": lists}})
    assert [port["port"] for port in feeds["ports"]] == [8444]
    # A key set in a file is no reason to.
    assert egress({"config": {"jwt": {**jwks, "jwks": "/keys/jwks.json"}}}) == []


def test_nobody_may_come_in_where_the_lists_are_empty():
    spec = the(render({"networkPolicy": {"enabled": True, "grpcFrom": [], "httpFrom": []}}), "NetworkPolicy")[
        "spec"
    ]
    assert spec["ingress"] == [] and spec["policyTypes"] == ["Ingress", "Egress"]


def test_the_memory_limit_is_told_to_the_server():
    config = lambda *values: yaml.safe_load(
        the(render(*values), "ConfigMap", f"{NAME}-config")["data"]["plimsoll.yaml"]
    )
    assert config()["server"]["max_resident_bytes"] == 2**30 * 9 // 10
    assert config({"resources": {"limits": {"memory": "2G"}}})["server"]["max_resident_bytes"] == 18 * 10**8
    assert config({"resources": {"limits": {"memory": 10**9}}})["server"]["max_resident_bytes"] == 9 * 10**8
    assert "max_resident_bytes" not in config({"resources": {"limits": None}})["server"]
    assert config({"config": {"server": {"max_resident_bytes": 7}}})["server"]["max_resident_bytes"] == 7


def test_the_example_has_the_sidecar():
    objects = sidecar_app()
    for each in objects:
        kubernetes_validate.validate(each, VERSIONS[0], strict=True)
    deployment = workload(objects)
    (sidecar,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert_no_rights(sidecar)
    names = [
        p["name"]
        for c in deployment["spec"]["template"]["spec"]["containers"] + [sidecar]
        for p in c.get("ports", [])
    ]
    assert len(set(names)) == len(names), "a pod's ports have different names"
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    changed = sidecar_app({"plimsoll": {"config": {"telemetry": {"log": "debug"}}}})
    assert workload(changed)["spec"]["template"]["metadata"]["annotations"] != annotations


def test_the_notes_say_how_to_see_that_it_works():
    for mode in MODES:
        notes = texts(enough(MODES[mode]))["plimsoll/templates/NOTES.txt"]
        assert "/ready" in notes and "/access/v1/evaluation" in notes
    (question,) = [line for line in notes.splitlines() if line.strip().startswith("-d '")]
    assert json.loads(question.strip()[4:-1])["subject"]["type"] == "user"
    assert f"{NAME}-replicas.{NAMESPACE}" in texts(enough({"replicas": 2}))["plimsoll/templates/NOTES.txt"]
