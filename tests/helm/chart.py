"""Renders the chart with Helm's own engine."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import yaml
from helm_python import Chart, HelmError

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/plimsoll"
SIDECAR_APP = ROOT / "helm/examples/sidecar-app"
RELEASE, NAMESPACE = "edge", "trust"
NAME = "edge-plimsoll"

# The token that the tests' callers have.
TOKEN = "a-long-random-token"
TOKEN_HASH = hashlib.sha256(TOKEN.encode()).hexdigest()

CATALOG = """\
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {}, address: {}}
signals:
  user.alarms: {type: counter}
  user.client: {type: string, fresh_for: 1h}
  user.country: {type: string, observe: context.country, learn: {familiar: {keep: 16, forget_after: 90d}}}
context: {country: string}
lists:
  malicious_addresses: {type: cidr, path: feeds/malicious.netset}
"""

POLICY = """\
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  prior: 0
  combine: max
  factors:
    alarms: {value: user.alarms, curve: {linear: {to: 10}}}
    client: {value: user.client, curve: {map: {legacy: 0.5, else: 0}}}
    malicious: {value: address.ip in lists.malicious_addresses, curve: bool}
    country: {value: 'familiar(user.country, context.country)', curve: {bool: {true: 0, false: 0}}}
levels: {low: {from: 0}, high: {from: 60}}
rules:
  - {name: anyone, when: 'true', decision: allow}
  - {name: refuse, when: level == "high", decision: deny}
"""


def small():
    """A small policy folder."""
    return {"catalog.yaml": CATALOG, "session.yaml": POLICY, "feeds/malicious.netset": "198.51.100.0/24\n"}


def shipped():
    """The policies of this repository, without their tests."""
    files = [*(ROOT / "policies").glob("*.yaml"), *(ROOT / "policies/feeds").iterdir()]
    assert len(files) > 6
    return {str(file.relative_to(ROOT / "policies")): file.read_text() for file in files}


def merged(*parts):
    """Values over values, as Helm merges them."""
    whole = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(whole.get(key), dict)
            whole[key] = merged(whole[key], value) if both else value
    return whole


def enough(*more):
    """The least that the chart takes."""
    tokens = [{"name": "tests", "sha256": TOKEN_HASH, "permissions": ["admin", "decide", "report", "review"]}]
    return merged({"policies": small(), "auth": {"tokens": tokens}}, *more)


def texts(values, chart=CHART):
    with Chart.load(chart) as loaded:
        return loaded.render(values, name=RELEASE, namespace=NAMESPACE)


def parsed(texts):
    objects = []
    for path, text in texts.items():
        if not path.endswith("NOTES.txt"):
            objects += [each for each in yaml.safe_load_all(text) if each]
    return objects


def render(*values):
    """All objects of the least that the chart takes, and of these values over it."""
    return parsed(texts(enough(*values)))


def refusal(values):
    """Why Helm doesn't take these values."""
    try:
        texts(values)
    except HelmError as why:
        return str(why)
    raise AssertionError(f"it is taken: {values}")


def sidecar_app(values=None):
    """The example, with the chart in `charts/` as `helm dependency build` puts it there."""
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "sidecar-app"
        shutil.copytree(SIDECAR_APP, app)
        shutil.copytree(CHART, app / "charts/plimsoll")
        return parsed(texts(values or {}, app))


def the(objects, kind, name=None):
    """The one object of a kind, and of a name."""
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, f"{kind} {name}: {[(o['kind'], o['metadata']['name']) for o in objects]}"
    return found[0]


def workload(objects):
    found = [o for o in objects if o["kind"] in ("Deployment", "StatefulSet", "DaemonSet")]
    assert len(found) == 1
    return found[0]
