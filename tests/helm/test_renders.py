"""What is rendered is what the Kubernetes API takes, in every mode, and as secure as it is said to be."""

import itertools
import json
import re

import kubernetes_validate
import pytest
import yaml
from helm_python import lint

from chart import CHART, NAME, NAMESPACE, ROOT, enough, parsed, render, sidecar_app, texts, the, workload
from fields import unknown_fields

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
    "nothing is kept": {"data": {"type": "memory"}},
    "an account that is there": {"serviceAccount": {"create": False, "name": "theirs"}},
    "spread otherwise": {
        "replicas": 2,
        "podDisruptionBudget": {"enabled": False},
        "topologySpreadConstraints": [
            {
                "maxSkew": 2,
                "topologyKey": "topology.kubernetes.io/region",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "plimsoll"}},
            }
        ],
    },
    "half at a time": {"replicas": 4, "podDisruptionBudget": {"maxUnavailable": "50%"}},
    "no resources": {"resources": {"requests": None, "limits": None}},
}
TLS_SIDES = {
    "TLS": CERT_MANAGER | {"metrics": {"serviceMonitor": {"enabled": True, "tokenSecret": {"name": "scrape"}}}},
    "a certificate that is there": {
        "tls": {"enabled": True, "existingSecret": "theirs"},
        "metrics": {"serviceMonitor": {"enabled": True, "tokenSecret": {"name": "scrape"}}},
    },
    "client certificates": {
        "tls": {"enabled": True, "existingSecret": "theirs", "clientAuth": True, "listeners": ["grpc"]},
        "config": {"auth": {"callers": [{"name": "spiffe://prod/edge/*", "permissions": ["decide"]}]}},
        "metrics": {"serviceMonitor": {"enabled": True, "tokenSecret": {"name": "scrape"}}},
    },
}
# A sidecar is asked on loopback, without TLS; a statefulset is there for its volume.
NOT_WITH = {"sidecar": set(TLS_SIDES), "statefulset": {"nothing is kept"}}
EVERY = [
    pytest.param(mode, side, id=f"{mode}, {side}")
    for mode, side in itertools.product(MODES, [*SIDES, *TLS_SIDES])
    if side not in NOT_WITH.get(mode, ())
]
VERSIONS = ["1.30.0", kubernetes_validate.latest_version()]


def values_of(mode, side):
    # Refused of a sidecar, whose pods and ports are the application's.
    less = {"networkPolicy": {"enabled": False}, "metrics": {"serviceMonitor": {"enabled": False}}}
    return enough((SIDES | TLS_SIDES)[side], MODES[mode], less if mode == "sidecar" else {})


def check_custom(each):
    """What is not of Kubernetes itself: the fields that matter."""
    assert unknown_fields(each) == []
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


def test_what_is_there_already_is_used_and_not_made():
    kinds = lambda *values: {o["kind"] for o in render(*values)}
    pod = lambda *values: workload(render(*values))["spec"]["template"]["spec"]
    account = SIDES["an account that is there"]
    assert "ServiceAccount" not in kinds(account) and pod(account)["serviceAccountName"] == "theirs"
    # `default` is the namespace's own.
    assert pod({"serviceAccount": {"create": False}})["serviceAccountName"] == "default"
    certificate = TLS_SIDES["a certificate that is there"]
    assert "Certificate" not in kinds(certificate)
    (volume,) = [v for v in pod(certificate)["volumes"] if v["name"] == "plimsoll-tls"]
    assert volume["secret"] == {"secretName": "theirs"}
    # A monitor believes that Secret's authority, and only where HTTP has TLS.
    endpoint = lambda side: the(render(TLS_SIDES[side]), "ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint("a certificate that is there")["tlsConfig"]["ca"]["secret"]["name"] == "theirs"
    assert endpoint("client certificates")["scheme"] == "http"
    spread = SIDES["spread otherwise"]
    assert "PodDisruptionBudget" not in kinds(spread)
    assert pod(spread)["topologySpreadConstraints"] == spread["topologySpreadConstraints"]
    assert "plimsoll-data" not in {v["name"] for v in pod(SIDES["nothing is kept"])["volumes"]}


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


def test_the_namespaces_of_gateways_may_be_let_in():
    """As docs/deploy.md says it. Without that, only the release's own."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.S)
    (told,) = [yaml.safe_load(block) for block in blocks if block.startswith("networkPolicy:")]
    policy = the(render(told), "NetworkPolicy")
    kubernetes_validate.validate(policy, VERSIONS[0], strict=True)
    named = [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in policy["spec"]["ingress"]
        for peer in rule["from"]
    ]
    assert named == ["envoy-gateway-system", "shop", "traefik", "monitoring"]
    own = the(render({"networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]["ingress"]
    assert [rule["from"] for rule in own] == [[{"podSelector": {}}]] * 2


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


def test_what_is_asked_for_is_what_it_takes():
    """The figure in docs/performance.md is of the chart's own `max_entities`, and of nothing that is learned."""
    measured = re.findall(r"; (\d+) MB; 10,000,010 signals", (ROOT / "docs/performance.md").read_text())
    megabytes = int(measured[-1])
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["config"]["signals"]["max_entities"] == 1_000_000
    (request,) = re.fullmatch(r"(\d+)Mi", values["resources"]["requests"]["memory"]).groups()
    assert int(request) * 2**20 >= megabytes * 10**6 * 5 // 4
    # Every place that names a figure names these.
    places = [CHART / "values.yaml", ROOT / "docs/deploy.md", ROOT / "docs/operations.md"]
    for place in places:
        assert set(re.findall(r"(\d{3}) MB", place.read_text())) == {str(megabytes)}, place
    assert f"{request} MiB asked" in (ROOT / "docs/deploy.md").read_text()


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
