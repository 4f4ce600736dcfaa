#!/usr/bin/env python3
"""The same weighted rule, decided by Cerbos and by Plimsoll, asked the same by gRPC.

    make bench-peers

One table of factors below becomes a policy of each: twenty attributes are mapped to 0..1,
weighed and summed, and what comes to less than 400 of 1000 is allowed. First both must
decide alike; then `compare.py` measures CPU time a decision in interleaved rounds, and
h2load the latencies at fixed rates.

Cerbos is the binary that its makers publish on npm, in the version below, as fast as its
settings make it: no audit log, no telemetry, no metrics, no schemas, no watching of files.
"""

import argparse
import base64
import contextlib
import hashlib
import io
import json
import math
import os
import pathlib
import platform
import struct
import subprocess
import sys
import tarfile
import urllib.request

import compare

ROOT = pathlib.Path(compare.ROOT)
WORK = ROOT / "target" / "peers"
VERSION = "0.51.0"
CERBOS = ROOT / "target" / "tools" / f"cerbos-{VERSION}"
PACKAGE = f"https://registry.npmjs.org/@cerbos/cerbos-linux-x64/-/cerbos-linux-x64-{VERSION}.tgz"
INTEGRITY = "LYxcSk2qTygEinl6r6X0TeQmFfDKLiS9TWkS4ugJMI59JfrVmJN/mHPs1G7mGa2DGYjGmU1rsFzCYVUS7oh3iQ=="

LIMIT = 400
# Name, weight, how a value is mapped to 0..1, a value of somebody harmless, one of somebody who is not.
# A number is what counts fully, in proportion below; "bool" counts where it is false.
FACTORS = [
    ("failed_logins", 3, 10, 1, 9), ("volume", 2, 100, 17, 96), ("new_systems", 1, 20, 2, 19),
    ("after_hours", 1, 100, 12, 80), ("escalations", 1, 5, 0, 4), ("devices", 1, 10, 2, 9),
    ("messages", 1, 100, 20, 100), ("changes", 1, 10, 0, 8), ("chargebacks", 1, 3, 0, 2),
    ("inquiries", 1, 10, 1, 9), ("session_hours", 1, 24, 3, 23), ("abuse", 2, 100, 4, 88),
    ("reports", 1, 10, 0, 9), ("idle_days", 1, 30, 1, 25), ("managed", 2, "bool", True, False),
    ("os_patched", 1, "bool", True, False), ("disk_encrypted", 1, "bool", True, False),
    ("antivirus", 1, "bool", True, False),
    ("mfa", 2, {"none": 1.0, "sms": 0.6, "totp": 0.3, "webauthn": 0.0}, "totp", "none"),
    ("known_network", 1, "bool", True, False),
]
HARMLESS = {name: harmless for name, _, _, harmless, _ in FACTORS}
HOSTILE = {name: hostile for name, *_, hostile in FACTORS}


def term(attribute, curve):
    """A factor in CEL, as an author of Cerbos' policies writes it."""
    if curve == "bool":
        return f"({attribute} ? 0.0 : 1.0)"
    if isinstance(curve, dict):
        *named, (_, last) = curve.items()
        return "(" + "".join(f'{attribute} == "{value}" ? {c} : ' for value, c in named) + f"{last})"
    return f"math.least({attribute} / {float(curve)}, 1.0)"


def cerbos_policy():
    total = float(sum(weight for _, weight, *_ in FACTORS))
    terms = [f"{float(weight)} * {term('P.attr.' + name, curve)}" for name, weight, curve, *_ in FACTORS]
    condition = f"1000.0 * ({' + '.join(terms)}) / {total} < {float(LIMIT)}"
    rule = {"actions": ["transfer"], "roles": ["*"], "effect": "EFFECT_ALLOW", "condition": {"match": {"expr": condition}}}
    policy = {"resource": "account", "version": "default", "rules": [rule]}
    return {"apiVersion": "api.cerbos.dev/v1", "resourcePolicy": policy}


def plimsoll_policies():
    """One that reads the request's context, and one that reads signals it holds."""

    def kind(curve):
        return {"type": "enum", "values": list(curve)} if isinstance(curve, dict) else {"type": "bool" if curve == "bool" else "number"}

    def curve_of(curve):
        if isinstance(curve, dict):
            return {"map": curve}
        return {"bool": {"true": 0, "false": 1}} if curve == "bool" else {"linear": {"to": curve}}

    def policy(name, where):
        factors = {
            factor: {
                # What comes with a request has no enum's type: whatever else comes counts as the worst.
                "value": f"{where}.{factor}",
                "curve": {"map": {**curve, "else": 1.0}} if isinstance(curve, dict) and where == "context" else curve_of(curve),
                "weight": weight,
            }
            for factor, weight, curve, *_ in FACTORS
        }
        return {
            "apiVersion": "plimsoll/v1", "kind": "TrustPolicy", "metadata": {"name": name},
            "score": {"range": [0, 1000], "direction": "risk", "missing": "worst", "factors": factors},
            "levels": {"low": {"from": 0}, "high": {"from": LIMIT}},
            "rules": [{"name": "transfers", "when": f'action.name == "transfer" && score < {LIMIT}', "decision": "allow"}],
        }

    catalog = {
        "apiVersion": "plimsoll/v1",
        "kind": "Catalog",
        "signals": {f"user.{name}": kind(curve) for name, _, curve, *_ in FACTORS},
        "context": {name: "string" if isinstance(curve, dict) else kind(curve)["type"] for name, _, curve, *_ in FACTORS},
    }
    return [catalog, policy("asked", "context"), policy("held", "user")]


# Protocol buffers, as much of them as requests need.


def field(number, payload):
    """One that has a length: a text or a message."""
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def value(of):
    """google.protobuf.Value"""
    if isinstance(of, bool):
        return b"\x20" + varint(of)
    if isinstance(of, str):
        return field(3, of)
    return b"\x11" + struct.pack("<d", of)


def entries(number, attributes):
    """A map from texts to values."""
    return b"".join(field(number, field(1, name) + field(2, value(of))) for name, of in attributes.items())


def framed(message):
    return struct.pack(">BI", 0, len(message)) + message


def ask_cerbos(attributes):
    principal = field(1, "u-104233") + field(3, "user") + entries(4, attributes)
    resource = field(1, "account") + field(3, "a-8231")
    return field(1, "r-1") + field(3, principal) + field(4, field(1, "transfer") + field(2, resource))


def ask_plimsoll(policy, user, attributes):
    parties = field(1, field(1, "user") + field(2, user)) + field(2, field(1, "transfer"))
    context = field(4, entries(1, attributes)) if attributes else b""
    return parties + field(3, field(1, "account") + field(2, "a-8231")) + context + field(5, policy)


def says(server, request):
    """What is answered to a request, without its frame."""
    (WORK / "probe.bin").write_bytes(framed(request))
    command = ["curl", "-sS", "--fail", "--http2-prior-knowledge", "--data-binary", f"@{WORK / 'probe.bin'}", "--noproxy", "*"]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{server.address}{server.path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout[5:]


def cerbos_allows(answer):
    verdicts = [verdict for verdict in (1, 2) if field(1, "transfer") + b"\x10" + varint(verdict) in answer]
    return {(1,): True, (2,): False}.get(tuple(verdicts), answer)


def plimsoll_allows(answer):
    # `id` comes first, then `decision`: 1 allows, 4 denies.
    after = answer[2 + answer[1] :][:2] if answer[:1] == b"\x0a" else b""
    return {b"\x10\x01": True, b"\x10\x04": False}.get(after, answer)


def fetch_cerbos():
    if CERBOS.exists():
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit("this measures on Linux on x86-64 only")
    print(f"fetching Cerbos {VERSION}", flush=True)
    with urllib.request.urlopen(PACKAGE, timeout=300) as answer:
        package = answer.read()
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != INTEGRITY:
        sys.exit(f"{PACKAGE} is not what it was: its SHA-512 differs")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        binary = archive.extractfile("package/cerbos-linux-x64").read()
    CERBOS.parent.mkdir(parents=True, exist_ok=True)
    CERBOS.write_bytes(binary)
    CERBOS.chmod(0o755)


def start(args):
    WORK.mkdir(parents=True, exist_ok=True)
    for folder, documents in [("cerbos", [cerbos_policy()]), ("plimsoll", plimsoll_policies())]:
        (WORK / folder).mkdir(exist_ok=True)
        # JSON is YAML.
        (WORK / folder / "policy.yaml").write_text("\n---\n".join(json.dumps(d, indent=1) for d in documents) + "\n")
    (WORK / "cerbos.yaml").write_text(json.dumps({
        "server": {"grpcListenAddr": "127.0.0.1:9391", "httpListenAddr": "127.0.0.1:9392", "metricsEnabled": False},
        "storage": {"driver": "disk", "disk": {"directory": str(WORK / "cerbos"), "watchForChanges": False}},
        "audit": {"enabled": False}, "telemetry": {"disabled": True}, "schema": {"enforcement": "none"},
    }))
    requests = {
        "cerbos": ask_cerbos(HARMLESS),
        "asked": ask_plimsoll("asked", "u-104233", HARMLESS),
        "held": ask_plimsoll("held", "u-104233", {}),
    }
    for name, request in requests.items():
        (WORK / f"{name}.bin").write_bytes(framed(request))
    evaluate = "/plimsoll.v1.DecisionService/Evaluate"
    cerbos = f"{CERBOS} server --config {WORK / 'cerbos.yaml'} --log-level error --debug-listen-addr="
    yield compare.Server(
        f"cerbos {VERSION}", cerbos, "127.0.0.1:9391", "", "/cerbos.svc.v1.CerbosService/CheckResources",
        str(WORK / "cerbos.bin"), env={**os.environ, "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_off"},
    )
    for name, policy, port in [("plimsoll, all in the request", "asked", 9393), ("plimsoll, signals held", "held", 9395)]:
        settings = {
            "PLIMSOLL_LISTEN__GRPC": f"127.0.0.1:{port}", "PLIMSOLL_LISTEN__HTTP": f"127.0.0.1:{port + 1}",
            "PLIMSOLL_POLICIES": str(WORK / "plimsoll"), "PLIMSOLL_DEFAULT_POLICY": policy, "PLIMSOLL_DATA": "memory",
            "PLIMSOLL_TELEMETRY__LOG": "warn",
        }
        yield compare.Server(
            name, f"{args.plimsoll} serve", f"127.0.0.1:{port}", "", evaluate, str(WORK / f"{policy}.bin"),
            env={**os.environ, **settings},
        )


def agree(args, cerbos, asked, held):
    """All three decide alike, both ways: what is measured then is the same decision."""
    address = held.address
    for user, attributes in [("u-104233", HARMLESS), ("u-666", HOSTILE)]:
        signals = [f"{name}={json.dumps(of)}" for name, of in attributes.items()]
        command = [str(args.plimsoll), "signals", "set", "user", user, *signals, "--server", address]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        verdicts = [
            cerbos_allows(says(cerbos, ask_cerbos(attributes))),
            plimsoll_allows(says(asked, ask_plimsoll("asked", "u-104233", attributes))),
            plimsoll_allows(says(held, ask_plimsoll("held", user, {}))),
        ]
        if verdicts != [attributes is HARMLESS] * 3:
            sys.exit(f"they do not decide alike: {verdicts}")


def latencies(server, rate, args):
    """p50 and p99 in microseconds, and CPU a decision, at so many requests a second."""
    log = WORK / "latencies.log"
    log.unlink(missing_ok=True)
    requests = rate * args.seconds
    cpu, reached = server.load(requests, args, ["--rps", str(rate / args.clients), "--log-file", str(log)])
    took = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    p50, p99 = (took[math.ceil(share * len(took)) - 1] for share in (0.5, 0.99))
    return p50, p99, cpu, reached


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plimsoll", default=ROOT / "target/dist/plimsoll", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=50_000, help="in one round, to each server")
    parser.add_argument("--clients", type=int, default=8, help="connections")
    parser.add_argument("--streams", type=int, default=32, help="open at once on each connection")
    parser.add_argument("--threads", type=int, default=1, help="of the load generator")
    parser.add_argument("--rates", type=int, nargs="*", default=[500, 2000, 4000], help="requests a second, for latencies")
    parser.add_argument("--seconds", type=int, default=10, help="at each rate")
    args = parser.parse_args()
    args.json = False
    fetch_cerbos()
    with contextlib.ExitStack() as stack:
        servers = []
        for server in start(args):
            stack.callback(server.process.wait)
            stack.callback(server.process.terminate)
            server.wait(60)
            servers.append(server)
        agree(args, *servers)
        for server in servers:
            server.load(args.requests // 4, args)
        compare.rounds(servers, args)
        compare.report(servers, args)
        print(f"\n{'server':<30}{'rate':>8}{'p50 us':>9}{'p99 us':>9}{'CPU us':>9}{'reached':>9}")
        for rate in args.rates:
            for server in servers:
                p50, p99, cpu, reached = latencies(server, rate, args)
                print(f"{server.name:<30}{rate:>8}{p50:>9}{p99:>9}{cpu:>9.1f}{reached:>9.0f}")


if __name__ == "__main__":
    main()
