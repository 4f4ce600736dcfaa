"""The dashboard asks for nothing that isn't there."""

import json
import re
import subprocess

from chart import CHART, render
from promtool import PROMTOOL, samples
from test_alerts import documented, series_of
from test_serves import TLS, certificate  # noqa: F401, a fixture


def dashboard():
    objects = render({"metrics": {"dashboard": {"enabled": True}}})
    shipped = [o for o in objects if o["metadata"]["labels"].get("grafana_dashboard") == "1"]
    assert len(shipped) == 1
    whole = json.loads(shipped[0]["data"]["plimsoll.json"])
    assert whole == json.loads((CHART / "dashboards/plimsoll.json").read_text())
    return whole


def expressions():
    whole = dashboard()
    told = [target["expr"] for panel in whole["panels"] for target in panel.get("targets", [])]
    told += [each["expr"] for each in whole["annotations"]["list"]]
    assert len(told) > 30
    return told


def as_prometheus(expr):
    for name, text in {"$__rate_interval": "5m", "$namespace": "trust", "$pod": ".*"}.items():
        expr = expr.replace(name, text)
    assert "$" not in expr, expr
    return expr


def test_prometheus_understands_each_expression(tmp_path):
    rules = [{"record": f"panel:{n}", "expr": as_prometheus(expr)} for n, expr in enumerate(expressions())]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    ran = subprocess.run([PROMTOOL, "check", "rules", file], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_each_metric_and_label_exists(run, certificate):  # noqa: F811
    values = {"config": {"auth": {"local": []}}, **TLS}
    pod = run(render(values), secrets={"certificate": certificate}).ready()
    pod.decide(tls=True)
    scraped = samples(pod.metrics(tls=True))
    labels = {}
    for name, pairs in scraped:
        labels.setdefault(re.sub(r"_(bucket|count|sum)$", "", name), set()).update(
            label for label, _ in pairs
        )
    # What a scraper adds, and Grafana's own.
    added = {"namespace", "pod", "le"}
    for expr in expressions():
        used = series_of(expr)
        assert used and used <= documented() and used <= set(labels), expr
        asked = set(re.findall(r"[{,]\s*([a-z_]+)\s*(?:=~|!=|=)", expr))
        asked |= {
            label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expr) for label in group.split(",")
        }
        assert asked - added <= set().union(*(labels[name] for name in used)), expr


def test_panels_have_their_place():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    cells = [
        (x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
