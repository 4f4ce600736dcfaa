"""Each alert is provoked: with the real binary, as the chart runs it, wherever a test can; and Prometheus's own engine
evaluates the rules that the chart renders over what was scraped."""

import contextlib
import os
import re
import socket
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from chart import ROOT, render, shipped, sidecar_app, small, the
from pod import free_socket, until
from promtool import PROMTOOL, Timeline, expect, samples
from test_serves import TLS, VOLUME, certificate, issue  # noqa: F401, a fixture

PROVOKED = set()
FAKETIME = Path(os.environ.get("FAKETIME_LIBRARY", ROOT / ".venv/bin/libfaketimeMT.so.1"))


def group(*values):
    objects = render({"metrics": {"prometheusRule": {"enabled": True}}}, *values)
    (group,) = the(objects, "PrometheusRule")["spec"]["groups"]
    return group


# A decision may take its millisecond on a machine that has other things to do: `test_slow` is of that.
BUT_SLOW = {"metrics": {"prometheusRule": {"disabled": ["PlimsollSlow"]}}}


def fires(alert, timeline, quiet, then, rules=None):
    """Nothing fires at the step `quiet`, and this alert alone at the step `then`."""
    PROVOKED.add(alert)
    expect(rules or group(BUT_SLOW), timeline, {quiet: set(), then: {alert}})


def provoked(run, alert, values, provoke, steps=30, **kept):
    """The alert fires for what `provoke` does to a pod, and not before."""
    pod = run(render(values), **kept).ready()
    before = pod.metrics()
    provoke(pod)
    after = pod.metrics()
    fires(alert, Timeline().phase(30, before).phase(steps, after, before), 29, 29 + steps)


def value(page, name, **labels):
    return samples(page).get((name, tuple(sorted(labels.items()))), 0)


def put(pod, name, text):
    """Edits a file of the policy folder."""
    files = {**small(), name: text}
    pod.volumes["plimsoll-policies"].put({name: text.encode() for name, text in files.items()})


def test_gone():
    fires("PlimsollGone", Timeline().phase(1, "# EOF\n"), 0, 10, group())


def test_not_ready(run):
    pod = run(render({"policies": {"session.yaml": "nonsense"}}))
    until(lambda: pod.probe("livenessProbe") == 200, "the listener")
    assert pod.probe("readinessProbe") == 503
    broken = pod.metrics()
    PROVOKED.add("PlimsollNotReady")
    expect(
        group(),
        Timeline().phase(20, broken),
        {4: {"PlimsollPolicyRefused"}, 19: {"PlimsollNotReady", "PlimsollPolicyRefused"}},
    )


def test_policy_refused(run):
    def provoke(pod):
        put(pod, "session.yaml", "nonsense")
        until(lambda: value(pod.metrics(), "plimsoll_policy_errors") > 0, "the refusal")

    provoked(run, "PlimsollPolicyRefused", {}, provoke)


def test_list_failing(run):
    def provoke(pod):
        put(pod, "feeds/malicious.netset", "this is no network\n")
        until(
            lambda: value(pod.metrics(), "plimsoll_list_failing", list="malicious_addresses"), "the failure"
        )

    provoked(run, "PlimsollListFailing", {}, provoke)


def test_what_is_shipped_is_quiet_without_geo_databases(run):
    page = run(render({"policies": shipped()})).ready().metrics()
    absent = {labels for (name, labels), yes in samples(page).items() if name == "plimsoll_list_absent" and yes}
    assert absent == {(("list", "geo.asn"),), (("list", "geo.city"),)}
    expect(group(), Timeline().phase(60, page), {step: set() for step in (5, 30, 59)})


def test_list_old(run):
    page = run(render()).ready().metrics()
    aged = Timeline("1h").phase(24 * 32, page, grows=["plimsoll_list_age_seconds"])
    fires("PlimsollListOld", aged, 24 * 29, 24 * 31)


def test_certificate_expires(run, tmp_path):
    """One of 90 days that nobody renews, until somebody does."""
    pod = run(render(TLS), secrets={"certificate": issue(tmp_path, days=90)}).ready()
    old = pod.metrics(tls=True)
    ends = value(old, "plimsoll_tls_certificate_expiry_timestamp_seconds")
    written = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601"],
        input=pod.secrets["certificate"]["tls.crt"],
        capture_output=True,
        check=True,
    ).stdout.decode()
    written = datetime.fromisoformat(written.strip().removeprefix("notAfter="))
    assert ends == written.timestamp()
    (told,) = [file for file in pod.status(tls=True)["files"] if file["name"] == "tls"]
    assert datetime.fromisoformat(told["ends_at"]) == written
    pod.volumes["plimsoll-tls"].put(issue(tmp_path, days=365))
    renewed = lambda: (
        page
        if value(page := pod.metrics(tls=True), "plimsoll_tls_certificate_expiry_timestamp_seconds") != ends
        else None
    )
    new = until(renewed, "the new certificate")
    day = 24
    timeline = Timeline("1h").phase(77 * day, old).phase(2 * day, new)
    PROVOKED.add("PlimsollCertificateExpires")
    expect(
        group(),
        timeline,
        {75 * day: set(), 77 * day - 1: {"PlimsollCertificateExpires"}, 78 * day: set()},
    )


def test_file_failing(run):
    def provoke(pod):
        pod.volumes["plimsoll-auth"].put({"tokens": b"nonsense\n"})
        until(lambda: value(pod.metrics(), "plimsoll_file_failing", file="auth.tokens"), "the failure")

    provoked(run, "PlimsollFileFailing", {}, provoke)


def test_store_failing(run):
    def provoke(pod):
        # As a disk that is full. A process may be limited by its own user.
        subprocess.run(["prlimit", "--pid", str(pod.process.pid), "--fsize=0:"], check=True, **pod.as_user)
        pod.report("alice", {"alarms": 1})
        until(lambda: value(pod.metrics(), "plimsoll_store_failing"), "the failure")

    provoked(run, "PlimsollStoreFailing", {}, provoke)


def test_observations_dropped(run):
    def provoke(pod):
        pod.decide_many("alice", 5000)
        assert value(pod.metrics(), "plimsoll_observations_dropped_total", cause="queue_full") > 0

    provoked(run, "PlimsollObservationsDropped", {"config": {"signals": {"observation_queue": 1}}}, provoke)


def test_clock_jumped(run):
    """The process is shown another clock (libfaketime), and time that passes as it does."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder) / "clock"
        clock.write_text("+0")
        # The pod's user reads it.
        Path(folder).chmod(0o755)
        env = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

        def provoke(pod):
            clock.write_text("+5h")
            until(lambda: "the clock has jumped" in pod.log(), "the doubt")
            pod.decide_many("alice", 1000)
            counted = lambda: value(pod.metrics(), "plimsoll_observations_dropped_total", cause="clock")
            until(counted, "the observation that is not believed")

        provoked(run, "PlimsollClockJumped", {}, provoke, env=env)


def test_shedding(run):
    def provoke(pod):
        for _ in range(10):
            assert pod.decide()[0] == 503

    provoked(run, "PlimsollShedding", {"config": {"server": {"max_resident_bytes": 1}}}, provoke)


def test_connections_refused(run):
    def provoke(pod):
        silent = [free_socket(pod.http) for _ in range(40)]
        # Those that were too many are closed at once.
        until(lambda: sum(each.recv(1) == b"" for each in silent[-1:]) == 1, "the end of one too many")
        for each in silent:
            each.close()
        counted = lambda: (
            "plimsoll_refused_connections_total" in (page := scrape(pod))
            and value(page, "plimsoll_refused_connections_total", cause="too_many")
        )
        until(counted, "the count")

    provoked(run, "PlimsollConnectionsRefused", {"config": {"server": {"max_connections": 16}}}, provoke)


def scrape(pod):
    """A scrape, where it may be that no connection is free yet."""
    try:
        return pod.metrics()
    except OSError:
        return ""


def test_callers_refused(run):
    def provoke(pod):
        assert [pod.decide(token=None)[0] for _ in range(5)] == [401] * 5

    provoked(run, "PlimsollCallersRefused", {"config": {"auth": {"local": []}}}, provoke)


def test_slow(run):
    """No decision can be made to take a millisecond, so the budget is lowered: by what the chart has for that."""
    pod = run(render()).ready()
    before = pod.metrics()
    pod.decide_many("alice", 1000)
    (rule,) = [rule for rule in group()["rules"] if rule["alert"] == "PlimsollSlow"]
    assert rule["expr"].strip().endswith("> 0.001")
    lowered = {"PlimsollSlow": {"expr": rule["expr"].replace("> 0.001", "> 0.000001")}}
    timeline = Timeline().phase(30, before).phase(30, pod.metrics(), before)
    fires("PlimsollSlow", timeline, 29, 59, group({"metrics": {"prometheusRule": {"overrides": lowered}}}))


def test_denials_jumped(run):
    pod = run(
        sidecar_app({"plimsoll": {"config": {"auth": {"local": ["admin", "decide", "report", "review"]}}}})
    ).ready()
    start = pod.metrics()
    pod.decide_many("alice", 3000)
    usual = pod.metrics()
    pod.decide_many("alice", 2000)
    pod.decide_many("mallory", 1000)
    worse = pod.metrics()
    day = 24 * 60
    timeline = Timeline().phase(day, usual, start).phase(60, worse, usual)
    fires("PlimsollDenialsJumped", timeline, day - 1, day + 20)


def test_cache_full(run):
    def provoke(pod):
        for n in range(200):
            pod.report(f"user-{n}", {"alarms": 1})
        until(
            lambda: (
                value(pod.metrics(), "plimsoll_entities_evicted_total")
                + value(pod.metrics(), "plimsoll_signal_writes_refused_total")
            ),
            "the eviction",
        )

    provoked(run, "PlimsollCacheFull", {"config": {"signals": {"max_entities": 2}}}, provoke)


def test_signals_stale(run):
    def provoke(pod):
        assert pod.report("alice", {"client": "modern"}, observed_at="2026-01-01T00:00:00Z")[0] == 200
        pod.decide()

    provoked(run, "PlimsollSignalsStale", {}, provoke, steps=45)


@contextlib.contextmanager
def free_port():
    """A port where nobody listens, for as long as this is held."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_exports_failing(run):
    with free_port() as port:
        otlp = {
            "config": {
                "telemetry": {
                    "otlp": {"endpoint": f"http://127.0.0.1:{port}", "interval_seconds": 0.1, "traces": False}
                }
            }
        }

        pod = run(render(otlp)).ready()
        # It fails from the start: the quiet before is that of a pod that exports nothing.
        before = run(render()).ready().metrics()
        failed = lambda: value(pod.metrics(), "plimsoll_otlp_exports_total", what="metrics", outcome="failed")
        until(failed, "a failure")
        fires("PlimsollExportsFailing", Timeline().phase(30, before).phase(30, pod.metrics(), before), 29, 59)


def test_every_alert_is_provoked_here():
    """The last test of this file: nothing is shipped that was never seen to fire."""
    assert PROVOKED == {rule["alert"] for rule in group()["rules"]}


# What holds for all of them.


def documented():
    return set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs/telemetry.md").read_text(), re.M))


def series_of(expr):
    """The metrics of an expression, as docs/telemetry.md names them."""
    return {re.sub(r"_bucket$", "", name) for name in re.findall(r"\b(?:plimsoll|process)_[a-z_]+", expr)}


def test_prometheus_takes_the_rules():
    ran = subprocess.run(
        [PROMTOOL, "check", "rules", ROOT / "helm/plimsoll/alerts/plimsoll.yaml"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr


def test_metrics_and_labels_of_alerts_exist(run, certificate):  # noqa: F811
    scraped = samples(run(render(TLS), secrets={"certificate": certificate}).ready().metrics(tls=True))
    names = {name for name, _ in scraped}
    for rule in group()["rules"]:
        used = series_of(rule["expr"])
        assert used and used <= documented(), rule
        # A label's value that is not counted yet is no series; a name that is wrong is none either.
        missing = {n for n in used if n not in names and f"{n}_count" not in names}
        assert missing <= {"plimsoll_decisions_total"}, rule


def test_each_alert_has_its_page():
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.M)
    assert headings == [rule["alert"] for rule in group()["rules"]]
    for rule in group({"metrics": {"prometheusRule": {"runbookBase": "https://example.com/"}}})["rules"]:
        assert (
            rule["annotations"]["runbook_url"]
            == f"https://example.com/docs/operations.md#{rule['alert'].lower()}"
        )


def test_alerts_can_be_left_out_and_changed():
    changed = {
        "disabled": ["PlimsollSlow"],
        "overrides": {"PlimsollGone": {"for": "1m", "labels": {"team": "edge"}}},
    }
    rules = {rule["alert"]: rule for rule in group({"metrics": {"prometheusRule": changed}})["rules"]}
    assert "PlimsollSlow" not in rules and len(rules) == len(group()["rules"]) - 1
    assert rules["PlimsollGone"]["for"] == "1m" and rules["PlimsollGone"]["labels"] == {
        "severity": "critical",
        "team": "edge",
    }
