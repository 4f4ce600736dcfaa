"""What the chart renders is run by the real binary: it starts, its probes answer, it decides."""

import json
import re
import subprocess

import pytest

from chart import CHART, NAME, enough, render, shipped, sidecar_app, small, texts, the, workload
from fields import unknown_fields
from pod import BINARY, same_user, until

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def issue(folder, days):
    """A certificate as a Secret of type kubernetes.io/tls has it."""
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} -subj /CN=plimsoll -keyout tls.key -out tls.crt"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    files = {name: (folder / name).read_bytes() for name in ("tls.crt", "tls.key")}
    return {**files, "ca.crt": files["tls.crt"]}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return issue(tmp_path_factory.mktemp("tls"), days=2)


VOLUME = {"mode": "statefulset", "data": {"type": "volume"}}
TLS = {"tls": {"enabled": True, "existingSecret": "certificate"}}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"data": {"type": "memory"}},
        VOLUME,
        {"mode": "daemonset"},
        {"mode": "daemonset", "hostPorts": True},
        {"policies": shipped()},
        {"ports": {"grpc": 7001, "http": 7002}},
        {"resources": {"limits": None, "requests": None}},
        {**TLS},
        {
            "tls": {**TLS["tls"], "listeners": ["grpc"], "clientAuth": True},
            "config": {"auth": {"callers": [{"name": "spiffe://prod/edge/*", "permissions": ["decide"]}]}},
        },
    ],
    ids=lambda values: json.dumps({k: v for k, v in values.items() if k != "policies"} or list(values))[:60],
)
def test_what_is_rendered_runs(run, certificate, values):
    pod = run(render(values), secrets={"certificate": certificate}).ready()
    assert [pod.probe(name) for name in PROBES] == [200, 200, 200]
    tls = pod.container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    status, text = pod.decide(tls=tls)
    assert status == 200, text
    assert json.loads(text)["context"]["policy"]["revision"] == pod.status(tls)["policy"]["revision"]
    assert pod.status(tls)["degraded"] == []
    assert pod.grpc, "gRPC is not listened on"
    assert pod.stop() == 0, pod.log()


def question_of_the_notes(*values):
    """What the notes let one ask, and all that they say."""
    notes = texts(enough(*values))["plimsoll/templates/NOTES.txt"]
    (question,) = re.findall(r"-d '(.*)'", notes)
    return json.loads(question), notes


def test_a_policy_of_another_name_decides(run):
    files = {n: t.replace("metadata: {name: session}", "metadata: {name: shop}") for n, t in small().items()}
    renamed = [{"policies": None}, {"policies": files}]
    told = [*renamed, {"config": {"default_policy": "shop"}}]
    pod = run(render(*told)).ready()
    status, text = pod.decide()
    assert status == 200 and json.loads(text)["context"]["policy"]["name"] == "shop", text
    question, notes = question_of_the_notes(*told)
    assert pod.ask("/access/v1/evaluation", question)[0] == 200
    assert "config.default_policy" not in notes
    # Who doesn't say which is the default is told so, and the notes ask for one that there is.
    pod = run(render(*renamed)).ready()
    status, text = pod.decide()
    assert status == 400 and "session" in text, text
    question, notes = question_of_the_notes(*renamed)
    assert "the default policy is `session`" in notes and "`config.default_policy`" in notes
    assert pod.ask("/access/v1/evaluation", question)[0] == 200


def test_the_sidecar_of_the_example_runs(run):
    objects = sidecar_app()
    pod = run(objects).ready()
    assert pod.container in pod.spec["initContainers"] and pod.container["restartPolicy"] == "Always"
    assert pod.spec["enableServiceLinks"] is False
    assert [pod.probe(name) for name in PROBES] == [200, 200, 200]
    assert json.loads(pod.decide("alice", token=None)[1])["decision"] is True
    assert json.loads(pod.decide("mallory", token=None)[1])["decision"] is False
    # Only this pod can reach gRPC; what HTTP tells others is what probes ask.
    assert pod.configured["grpc"][0] == "127.0.0.1" and pod.configured["http"][0] == "0.0.0.0"
    assert pod.stop() == 0, pod.log()


def test_sidecars_are_scraped(run):
    """By what the example has for it. That others than this machine need the token is tested with the server."""
    tokens = enough()["auth"]["tokens"]
    objects = sidecar_app(
        {
            "podMonitor": {"enabled": True, "tokenSecret": {"name": "scrape"}},
            "plimsoll": {
                "auth": {"tokens": tokens},
                "metrics": {"prometheusRule": {"enabled": True}},
            },
        }
    )
    assert unknown_fields(the(objects, "PodMonitor")) == []
    monitor = the(objects, "PodMonitor")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    labels = workload(objects)["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= monitor["selector"]["matchLabels"].items()
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": {"name": "scrape", "key": "token"}}
    pod = run(objects).ready()
    (port,) = [p["containerPort"] for p in pod.container["ports"] if p["name"] == endpoint["port"]]
    assert port == int(pod.configured["http"][1])
    status, page = pod.ask(endpoint["path"])
    # What PlimsollGone looks for.
    assert status == 200 and "plimsoll_ready 1" in page
    assert "absent(plimsoll_ready)" in str(the(objects, "PrometheusRule"))


def test_who_has_no_token_is_refused(run):
    pod = run(render({"config": {"auth": {"local": []}}})).ready()
    assert pod.decide(token=None)[0] == 401
    assert pod.decide(token="wrong")[0] == 401
    assert pod.decide()[0] == 200


def test_a_volume_keeps_what_is_known(run, tmp_path):
    """Also one that is as `mkfs` leaves it."""
    tmp_path.chmod(0o755)
    for folder in reversed(tmp_path.parents[:2]):
        folder.chmod(0o755)
    same_user(tmp_path)
    (tmp_path / "lost+found").mkdir(mode=0o700)
    objects = render(VOLUME)
    first = run(objects, data=tmp_path).ready()
    assert first.report("alice", {"alarms": 9}, durable=True)[0] == 200
    assert json.loads(first.decide()[1])["decision"] is False
    assert first.stop() == 0
    second = run(objects, data=tmp_path).ready()
    assert json.loads(second.decide()[1])["decision"] is False
    # A folder belongs to one process: a second pod on the same volume says so and ends.
    third = run(objects, data=tmp_path)
    assert third.ended() != 0 and "another process has the store" in third.log()


def test_an_edit_of_the_policies_needs_no_restart(run):
    pod = run(render()).ready()
    before = pod.status()["policy"]["revision"]
    edited = {name: text.encode() for name, text in small().items()}
    edited["session.yaml"] = edited["session.yaml"].replace(b"from: 60", b"from: 30")
    pod.volumes["plimsoll-policies"].put(edited)
    after = until(lambda: (now := pod.status()["policy"]["revision"]) != before and now, "the new revision")
    pod.volumes["plimsoll-policies"].put({**edited, "session.yaml": b"nonsense"})
    until(lambda: pod.status()["policy"]["refused"], "the refusal")
    assert pod.status()["policy"]["revision"] == after and pod.decide()[0] == 200
    # And it starts no pod anew, as an edit of the configuration does.
    template = lambda *values: workload(render(*values))["spec"]["template"]
    assert template({"policies": {name: text.decode() for name, text in edited.items()}}) == template()
    assert template({"config": {"telemetry": {"log": "debug"}}}) != template()


def test_tokens_change_without_a_restart(run):
    values = {
        "auth": {"tokens": [], "existingSecret": "callers", "existingSecretKey": "list"},
        "config": {"auth": {"local": []}},
    }
    line = the(render(), "Secret", f"{NAME}-auth")["stringData"]["tokens"]
    pod = run(render(values), secrets={"callers": {"list": "# nobody yet\n"}}).ready()
    assert pod.decide()[0] == 401
    pod.volumes["plimsoll-auth"].put({"tokens": line.encode()})
    until(lambda: pod.decide()[0] == 200, "the new token")


def test_variables_of_services_are_kept_out(run):
    """They would only look like configuration: pods go without, and where one has them they are passed over."""
    pod = run(render(), env={"PLIMSOLL_PORT": "tcp://10.0.0.1:9191"})
    until(lambda: pod.decide()[0] == 200, "a decision")
    for values in ({}, VOLUME, {"mode": "daemonset"}):
        assert workload(render(values))["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_there_is_time_to_end():
    grace = lambda values: workload(render(values))["spec"]["template"]["spec"][
        "terminationGracePeriodSeconds"
    ]
    assert grace({}) == 5 + 10 + 15
    assert grace({"preStopSeconds": 0, "config": {"server": {"drain_seconds": 90.5}}}) == 91 + 15


def keys_of(schema, path):
    for key in path:
        schema = schema["properties"][key]
    return set(schema["properties"])


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ([], {"policies", "data", "tls"}),
        (["listen"], {"grpc", "http", "unix_mode", "unix_owner"}),
        (["auth"], {"tokens"}),
        (["auth", "jwt"], set()),
        (["jwt"], set()),
        (["ext_authz"], set()),
        (["forward_auth"], set()),
        (["signals"], set()),
        (["server"], set()),
        (["telemetry"], set()),
        (["telemetry", "otlp"], set()),
        (["readiness"], set()),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, list) else "",
)
def test_the_schema_has_the_keys_of_the_server(tmp_path, path, own):
    """Which the server itself names, when it is given one that it doesn't know. `own` are the chart's."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert keys_of(schema, ["config", *path]) == expected(tmp_path, path, {"nonsense": 1}) - own


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        (["auth", "local"], ["nonsense"], ["auth", "local"]),
        (["ext_authz", "headers"], ["nonsense"], ["ext_authz", "headers"]),
        (["telemetry", "log_format"], "nonsense", ["telemetry", "log_format"]),
        (["identity", "user"], [{"nonsense": 1}], ["identity", None]),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, list) else "",
)
def test_the_schema_has_the_words_of_the_server(tmp_path, path, value, at):
    known = expected(tmp_path, path[:-1], {path[-1]: value})
    part = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]
    for key in at:
        part = part["properties"][key] if key else part["additionalProperties"]
    part = part.get("items", part)
    assert set(part.get("enum", part.get("properties"))) == known


def expected(tmp_path, path, wrong):
    """What the server would have taken in the place of what is wrong."""
    config = wrong
    for key in reversed(path):
        config = {key: config}
    file = tmp_path / "plimsoll.yaml"
    file.write_text(json.dumps(config))
    told = subprocess.run(
        [BINARY, "serve", "--config", file], capture_output=True, text=True, timeout=60
    ).stderr
    known = set(re.findall(r"`([a-z_]+)`", told.split("expected", 1)[1].split("for key")[0]))
    assert known, told
    return known
