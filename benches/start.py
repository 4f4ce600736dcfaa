#!/usr/bin/env python3
"""How long a server takes to start on what it has learned, and when all of it is back.

A server with a store is told of users: each has six measures (two baselines, two familiar
sets, two windows) and a link to a device, of which some share one. Once all is on disk it is
ended and started again on the same folder, several times. First:

    cargo build --profile dist --bins

and then:

    benches/start.py --users 1000000
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from compare import ROOT, cpu_seconds
from running import is_ready, metrics, until

HTTP, GRPC = "127.0.0.1:9394", "127.0.0.1:9393"
BATCH = 1000
#: So many observations may wait before more is sent: none are to be dropped.
WAITING = 20_000
POLICY = """
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {}}
signals:
  user.amount: {type: number, learn: {baseline: {half_life: 14d}}}
  user.size: {type: number, learn: {baseline: {half_life: 14d}}}
  user.device: {type: string, learn: {familiar: {keep: 16, forget_after: 90d}}}
  user.country: {type: string, learn: {familiar: {keep: 16, forget_after: 90d}}}
  user.login: {type: event}
links: {user.device: {hub: 5}}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  prior: 0
  factors:
    amount: {value: deviation(user.amount), curve: {linear: {from: 2, to: 6}}, weight: 1}
    size: {value: deviation(user.size), curve: {linear: {from: 2, to: 6}}, weight: 1}
    device: {value: '!familiar(user.device, "d-0")', weight: 1}
    country: {value: '!familiar(user.country, "DE")', weight: 1}
    logins: {value: 'rate(user.login, "30d")', curve: {linear: {to: 100}}, weight: 1}
    burst: {value: 'rate(user.login, "1h")', curve: {linear: {to: 10}}, weight: 1}
    fraud: {value: 'linked_to_flagged(user, 2)', curve: {steps: {points: [[0, 1], [3, 0]]}}, weight: 1}
    shared: {value: 'shared_by(user.device, user, "30d")', curve: {linear: {from: 2, to: 8}}, weight: 1}
levels: {low: {from: 0}, high: {from: 50}}
rules:
  - {name: all, when: 'score >= 0', decision: allow}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--profile", default="dist")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT + "/target") as folder:
        os.mkdir(folder + "/policies")
        with open(folder + "/policies/session.yaml", "w") as file:
            file.write(POLICY)
        config = {"policies": folder + "/policies", "data": folder + "/data", "listen": {"grpc": GRPC, "http": HTTP}}
        config["telemetry"] = {"log": "warn"}
        with open(folder + "/plimsoll.yaml", "w") as file:
            json.dump(config, file)
        command = [os.path.join(ROOT, "target", args.profile, "plimsoll"), "serve", "--config", folder + "/plimsoll.yaml"]
        fill(command, args.users)
        size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder + "/data") for name in names)
        print(f"{size / 1e6:.0f} MB on disk")
        starts = [start(command, args.users) for _ in range(args.starts)]
        for what in starts[0]:
            print(f"{what:34}{statistics.median(told[what] for told in starts):9.2f}")


def send(reports):
    body = json.dumps({"reports": reports}).encode()
    request = urllib.request.Request(f"http://{HTTP}/v1/signals", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        told = json.load(answer)
    if told["rejected"]:
        sys.exit(f"a report was refused: {told['rejected'][0]}")


def ready():
    return is_ready(HTTP)


def now(name):
    return metrics(HTTP)[name]


def fill(command, users):
    server = subprocess.Popen(command)
    try:
        until("a start", ready)
        began = time.monotonic()
        for first in range(0, users, BATCH):
            send([report(user) for user in range(first, min(first + BATCH, users))])
            if first % (5 * BATCH) == 0:
                until("learning", lambda: now("plimsoll_observations_waiting") < WAITING)
        until("learning all", lambda: now("plimsoll_observations_waiting") == 0)
        until("writing all", lambda: now("plimsoll_store_waiting") == 0)
        print(f"{users} users taken, learned and on disk in {time.monotonic() - began:.0f} s")
        told = metrics(HTTP)
        if told["plimsoll_links"] < users or told["plimsoll_profiles"] < users:
            sys.exit(f"not all was learned: { {k: told[k] for k in told if 'link' in k or 'profile' in k} }")
    finally:
        server.terminate()
        server.wait()


def report(user):
    signals = {
        "amount": user % 97,
        "size": user % 1009,
        "device": f"d-{user // 3 if user % 10 == 0 else user}",
        "country": ("DE", "FR", "NL", "PL")[user % 4],
        "login": 1,
    }
    return {"entity": {"type": "user", "id": f"u-{user}"}, "signals": signals}


def start(command, users):
    began = time.monotonic()
    server = subprocess.Popen(command)
    try:
        until("a start", ready)
        told = {"ready after, s": time.monotonic() - began}
        until("links", lambda: now("plimsoll_links") >= users)
        until("windows", lambda: now("plimsoll_profiles") >= users)
        told["windows and links back after, s"] = time.monotonic() - began
        told["CPU until then, s"] = cpu_seconds(server.pid)
        told["resident memory then, MB"] = now("process_resident_memory_bytes") / 1e6
        return told
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
