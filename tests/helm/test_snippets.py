"""The snippets name what the chart makes, and go with what docs/ has."""

import json
import re
import subprocess

import pytest
import yaml
from helm_python import Chart

from chart import CHART, NAME, ROOT, enough, parsed, sidecar_app, the, workload
from fields import unknown_fields

SNIPPETS = ROOT / "helm/snippets"


def installed():
    """As the snippets suppose it."""
    with Chart.load(CHART) as chart:
        return parsed(chart.render(enough(), name="plimsoll", namespace="trust"))


@pytest.mark.parametrize("file", sorted(SNIPPETS.iterdir()), ids=lambda file: file.name)
def test_they_name_the_service_and_its_ports(file):
    services = {
        o["metadata"]["name"]: {p["port"]: p["name"] for p in o["spec"]["ports"]}
        for o in installed()
        if o["kind"] == "Service"
    }
    text = file.read_text()
    # `port: 8080` is an application's.
    ports = {int(port) for port in re.findall(r"\b(919\d)\b", text)}
    assert ports and ports <= set(services["plimsoll"]), file
    assert {"plimsoll"} == {name for name in re.findall(r"([a-z-]+)\.trust\.svc", text)}
    for name in re.findall(r"sectionName: (\w+)", text):
        assert name in services["plimsoll"].values()


# Envoy's own is given to Envoy, below.
OBJECTS = sorted(file for file in SNIPPETS.glob("*.yaml") if file.name != "envoy.yaml")


@pytest.mark.parametrize("file", OBJECTS, ids=lambda file: file.name)
def test_they_have_the_fields_of_those_who_read_them(file):
    objects = list(yaml.safe_load_all(file.read_text()))
    assert objects and [unknown_fields(each) for each in objects] == [[]] * len(objects)


def test_a_field_that_nobody_reads_is_found():
    policy, *_ = yaml.safe_load_all((SNIPPETS / "envoy-gateway.yaml").read_text())
    policy["spec"]["extAuth"]["failOpened"] = policy["spec"]["extAuth"].pop("failOpen")
    policy["spec"]["targetRefs"][0]["nam"] = "shop"
    assert unknown_fields(policy) == [
        "gateway.envoyproxy.io/v1alpha1 SecurityPolicy.targetRefs.nam",
        "gateway.envoyproxy.io/v1alpha1 SecurityPolicy.extAuth.failOpened",
    ]


def envoy_takes(file):
    """The real Envoy reads it."""
    command = [ROOT / ".venv/bin/envoy", "--mode", "validate", "-c", file]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def parts(whole):
    """The listener, its manager of HTTP, and the clusters of a configuration like docs/envoy.yaml."""
    (listener,) = whole["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return listener, manager, whole["static_resources"]["clusters"]


def test_envoy_takes_its_snippet(tmp_path):
    """With docs/envoy.yaml changed as the snippet says."""
    listener_part, filter_part, cluster = yaml.safe_load_all((SNIPPETS / "envoy.yaml").read_text())
    whole = yaml.safe_load((ROOT / "docs/envoy.yaml").read_text())
    listener, manager, clusters = parts(whole)
    assert listener["address"] != listener_part["address"]
    listener.update(listener_part)
    (ext_authz,) = [f for f in manager["http_filters"] if f["name"] == "envoy.filters.http.ext_authz"]
    ext_authz["typed_config"].update(filter_part)
    clusters[:] = [c for c in clusters if c["name"] != "plimsoll"] + [cluster]
    authority = tmp_path / "ca.crt"
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout {tmp_path}/ca.key -out {authority}"
    subprocess.run(command.split(), check=True, capture_output=True)
    text = yaml.safe_dump(whole).replace("/etc/envoy/plimsoll-ca.crt", str(authority))
    file = tmp_path / "envoy.yaml"
    file.write_text(text)
    envoy_takes(file)


def test_envoy_of_the_sidecar_example_is_reached_and_asks_as_docs_say(tmp_path):
    objects = sidecar_app()
    spec = workload(objects)["spec"]["template"]["spec"]
    (envoy,) = [c for c in spec["containers"] if c["name"] == "envoy"]
    (volume,) = [v for v in spec["volumes"] if v["name"] == envoy["volumeMounts"][0]["name"]]
    text = the(objects, "ConfigMap", volume["configMap"]["name"])["data"]["envoy.yaml"]
    file = tmp_path / "envoy.yaml"
    file.write_text(text)
    envoy_takes(file)
    ours, theirs = yaml.safe_load(text), yaml.safe_load((ROOT / "docs/envoy.yaml").read_text())
    listener, manager, _ = parts(theirs)
    listener["address"]["socket_address"]["address"] = "0.0.0.0"
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    routes[:] = [route for route in routes if "typed_per_filter_config" not in route]
    assert ours == theirs
    (port,) = envoy["ports"]
    assert port["containerPort"] == listener["address"]["socket_address"]["port_value"]
    # Of what is reached from outside, Plimsoll's gRPC is none: Envoy finds it on loopback.
    config = the(objects, "ConfigMap", f"{NAME}-config")["data"]["plimsoll.yaml"]
    asked = parts(ours)[2][1]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    asked = asked["socket_address"]
    assert yaml.safe_load(config)["listen"]["grpc"] == f"{asked['address']}:{asked['port_value']}"


def test_nginx_asks_as_docs_say():
    """The location is that of docs/nginx.conf but for the token and the address."""

    def location(text):
        body = re.search(r"location /plimsoll/ \{(.*?)\n *\}", text, re.S)[1]
        return {
            line.strip() for line in body.splitlines() if line.strip() and not line.strip().startswith("#")
        }

    ours, theirs = (
        location((file).read_text()) for file in (SNIPPETS / "nginx.conf", ROOT / "docs/nginx.conf")
    )
    assert ours - theirs == {
        'proxy_set_header X-Plimsoll-Token "THE-TOKEN";',
        "proxy_pass http://plimsoll.trust.svc.cluster.local:9192/forward-auth/;",
    }
    assert theirs - ours == {"proxy_pass http://127.0.0.1:9192/forward-auth/;"}


def test_no_header_of_ours_gets_through_from_a_client():
    """Each place that lists them has all that the server can send, by its own configuration's words."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    words = schema["properties"]["config"]["properties"]["ext_authz"]["properties"]["headers"]["items"]["enum"]
    ours = {f"X-Plimsoll-{word.title()}" for word in words}
    assert len(ours) == 9
    told = (ROOT / "docs/callers.md").read_text()
    listed = {
        "nginx": re.findall(r"proxy_set_header (X-Plimsoll-\w+)", (ROOT / "docs/nginx.conf").read_text()),
        "callers": re.findall(r"^ +- (X-Plimsoll-\w+)$", told.split("### Traefik")[1].split("### Caddy")[0], re.M),
    }
    for each in yaml.safe_load_all((SNIPPETS / "traefik.yaml").read_text()):
        if each["metadata"]["name"] == "plimsoll":
            listed["snippet"] = each["spec"]["forwardAuth"]["authResponseHeaders"]
    assert {place: set(names) for place, names in listed.items()} == dict.fromkeys(
        ["nginx", "callers", "snippet"], ours
    )
