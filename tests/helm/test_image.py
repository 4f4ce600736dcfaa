"""The image is not built here; that it fits the chart is seen all the same."""

import json
import re
import tomllib

from chart import CHART, ROOT, render, workload

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instruction(name):
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.M)[-1]


def test_the_chart_starts_what_the_image_has():
    (container,) = workload(render())["spec"]["template"]["spec"]["containers"]
    assert json.loads(instruction("ENTRYPOINT")) == container["command"]
    assert json.loads(instruction("CMD")) == container["args"]
    security = container["securityContext"]
    assert instruction("USER") == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert instruction("EXPOSE").split() == [str(port["containerPort"]) for port in container["ports"]]


def test_it_builds_what_there_is():
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    (profile,) = re.findall(r"--profile (\w+)", DOCKERFILE)
    (features,) = re.findall(r"--features (\w+)", DOCKERFILE)
    assert profile in manifest["profile"] and features in manifest["features"]
    (version,) = re.findall(r"^FROM rust:([\d.]+)-", DOCKERFILE, re.M)
    assert tuple(map(int, version.split("."))) >= tuple(
        map(int, manifest["package"]["rust-version"].split("."))
    )
    assert f'appVersion: "{manifest["package"]["version"]}"' in (CHART / "Chart.yaml").read_text()
    # What is left out of the build isn't read by it.
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {"src", "proto", "policies", ".cargo", "benches", "Cargo.lock"} & set(ignored)
