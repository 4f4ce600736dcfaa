#!/usr/bin/env python3
"""The same weighted rule, decided by Cerbos, by OPA and by Plimsoll.

    make bench-peers

One table of factors (`peers_rule.py`) becomes a policy of each. First all must decide alike,
then `compare.py` measures CPU time a decision in interleaved rounds, and h2load the latencies
at fixed rates.

Each peer is as fast as its settings make it: no log of decisions, no status, no telemetry, no
traces, no watching of files, no polling; its garbage collector and threads are as it ships.
Where Go is at hand, OPA is built, twice: OPA-Envoy, with the door that Envoy asks, and OPA with
its own REST API. What can't be had is named and left out.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import socket
import subprocess
import sys
from typing import Callable

import compare
import peers_rule
import peers_tools
import peers_wire as wire

ROOT = pathlib.Path(compare.ROOT)
WORK = ROOT / "target" / "peers"
USER = "u-104233"


def free_address():
    """Nobody listens there: what answers is what was started here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@dataclasses.dataclass
class Peer:
    """One door of a server: what it is asked about a user with attributes, and whether its answer allows."""

    name: str
    command: str
    address: str
    path: str
    ask: Callable
    allows: Callable
    settings: dict = dataclasses.field(default_factory=dict)
    headers: tuple = compare.GRPC
    http1: bool = False

    def start(self):
        request = WORK / f"{self.name.replace(' ', '-')}.request"
        request.write_bytes(self.ask(USER, peers_rule.HARMLESS))
        env = {**os.environ, **self.settings}
        return compare.Server(self.name, self.command, self.address, "", self.path, str(request), self.headers, self.http1, env=env)

    def decides(self, user, attributes):
        probe = WORK / "probe.request"
        probe.write_bytes(self.ask(user, attributes))
        command = ["curl", "-sS", "--fail", "--http1.1" if self.http1 else "--http2-prior-knowledge", "--noproxy", "*"]
        command += ["--data-binary", f"@{probe}"] + [part for header in self.headers for part in ("-H", header)] + [f"http://{self.address}{self.path}"]
        return self.allows(subprocess.run(command, check=True, capture_output=True).stdout)


def cerbos():
    binary, folder, config, address = peers_tools.cerbos(), WORK / "cerbos", WORK / "cerbos.yaml", free_address()
    folder.mkdir(exist_ok=True)
    (folder / "policy.yaml").write_text(peers_rule.cerbos())
    config.write_text(json.dumps({
        "server": {"grpcListenAddr": address, "httpListenAddr": free_address(), "metricsEnabled": False},
        "storage": {"driver": "disk", "disk": {"directory": str(folder), "watchForChanges": False}},
        "audit": {"enabled": False}, "telemetry": {"disabled": True}, "schema": {"enforcement": "none"},
    }))
    return Peer(
        f"Cerbos {peers_tools.CERBOS_VERSION}, CheckResources",
        f"{binary} server --config {config} --log-level error --debug-listen-addr=",
        address, "/cerbos.svc.v1.CerbosService/CheckResources", wire.ask_cerbos, wire.cerbos_allows,
        {"OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_off"},
    )


def bundle(binary, name, policy):
    """The policy as OPA's own optimiser leaves it: it unfolds the rule over flags and choices, and indexes it."""
    source, to = WORK / f"{name}.rego", WORK / f"{name}.tar.gz"
    source.write_text(policy)
    subprocess.run([binary, "build", "--optimize=2", "--entrypoint=peers/allow", "--output", to, source], check=True)
    return f"{binary} run --server --log-level error --bundle {to}"


def opa_envoy(args):
    binary = args.opa_envoy.resolve() if args.opa_envoy else peers_tools.opa_envoy()
    # As the plugin passes on a CheckRequest, with the names of its JSON form.
    transfers = ['input.attributes.request.http.method == "POST"', 'input.parsed_path = ["accounts", _, "transfers"]']
    claims = 'input.attributes.metadataContext.filterMetadata["envoy.filters.http.jwt_authn"].payload'
    run = bundle(binary, "opa-envoy", peers_rule.rego(claims, transfers))
    config = WORK / "opa-envoy.yaml"
    address = free_address()
    plugin = {"addr": address, "path": "peers/allow", "skip-request-body-parse": True}
    config.write_text(json.dumps({"plugins": {"envoy_ext_authz_grpc": plugin}}))
    return Peer(
        f"OPA-Envoy {binary.name.rpartition('plugin-')[2]}, Check",
        f"{run} --config-file {config} --addr {free_address()}", address, compare.CHECK, wire.ask_envoy, wire.envoy_allows,
    )


def opa(_args):
    address = free_address()
    run = bundle(peers_tools.opa(), "opa", peers_rule.rego("input.attributes", ['input.action == "transfer"']))
    return Peer(
        f"OPA {peers_tools.OPA_VERSION}, REST", f"{run} --addr {address}", address, "/v1/data/peers/allow",
        # HTTP/2, which it has behind a switch, costs it more.
        wire.ask_opa, wire.opa_allows, headers=("content-type: application/json",), http1=True,
    )


def plimsoll(args):
    """Its own door with all in the request, then with signals held, and these by the door that Envoy asks."""
    folder = WORK / "plimsoll"
    folder.mkdir(exist_ok=True)
    (folder / "policy.yaml").write_text(peers_rule.plimsoll())
    evaluate = "/plimsoll.v1.DecisionService/Evaluate"

    def peer(door, policy, path, ask, allows):
        address = free_address()
        settings = {
            "PLIMSOLL_LISTEN__GRPC": address, "PLIMSOLL_LISTEN__HTTP": free_address(),
            "PLIMSOLL_POLICIES": str(folder), "PLIMSOLL_DEFAULT_POLICY": policy, "PLIMSOLL_DATA": "memory",
            "PLIMSOLL_TELEMETRY__LOG": "warn",
        }
        return Peer(f"Plimsoll, {door}", f"{args.plimsoll} serve", address, path, ask, allows, settings)

    def asked(user, attributes):
        return wire.ask_plimsoll("asked", user, attributes)

    def held(user, _attributes):
        return wire.ask_plimsoll("held", user, {})

    return [
        peer("Evaluate, all in the request", "asked", evaluate, asked, wire.plimsoll_allows),
        peer("Evaluate, signals held", "held", evaluate, held, wire.plimsoll_allows),
        # What OPA-Envoy is sent, to the byte; the claims beside `sub` are not looked at.
        peer("Check, signals held", "held", compare.CHECK, wire.ask_envoy, wire.envoy_allows),
    ]


def all_peers(args):
    """Those that can be had here, and why not the others."""
    peers, left_out = [cerbos()], []
    for name, of in [("OPA-Envoy", opa_envoy), ("OPA", opa)]:
        try:
            peers.append(of(args))
        except peers_tools.LeftOut as why:
            left_out.append(f"left out: {name}: {why}")
            print(left_out[-1], flush=True)
    return [*peers, *plimsoll(args)], left_out


def report_signals(plimsoll, peer, user, attributes):
    signals = [f"{name}={json.dumps(of)}" for name, of in attributes.items()]
    command = [str(plimsoll), "signals", "set", "user", user, *signals, "--server", peer.address]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def agree(args, peers):
    """All decide alike, both ways: what is measured then is the same decision."""
    for user, attributes in [(USER, peers_rule.HARMLESS), ("u-666", peers_rule.HOSTILE)]:
        for peer in peers:
            if peer.name.endswith("signals held"):
                report_signals(args.plimsoll, peer, user, attributes)
        verdicts = {peer.name: peer.decides(user, attributes) for peer in peers}
        if set(verdicts.values()) != {attributes is peers_rule.HARMLESS}:
            sys.exit(f"they do not decide alike about {user}: {verdicts}")
    print(f"all {len(peers)} allow {USER} and deny u-666", flush=True)


def latencies(server, rate, args):
    """p50 and p99 in microseconds, and CPU a decision, at so many requests a second."""
    log = WORK / "latencies.log"
    log.unlink(missing_ok=True)
    requests = rate * args.seconds
    cpu, reached = server.load(requests, args, ["--rps", str(rate / args.clients), "--log-file", str(log)])
    took = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    p50, p99 = (took[math.ceil(share * len(took)) - 1] for share in (0.5, 0.99))
    return p50, p99, cpu, reached


def measure(servers, args):
    for server in servers:
        server.load(args.requests // 4, args)
    compare.rounds(servers, args)
    compare.report(servers, args)
    print(f"\n{'server':<40}{'rate':>8}{'p50 us':>9}{'p99 us':>9}{'CPU us':>9}{'reached':>9}")
    for rate in args.rates:
        for server in servers:
            p50, p99, cpu, reached = latencies(server, rate, args)
            print(f"{server.name:<40}{rate:>8}{p50:>9}{p99:>9}{cpu:>9.1f}{reached:>9.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plimsoll", default=ROOT / "target/dist/plimsoll", type=pathlib.Path)
    parser.add_argument("--opa-envoy", type=pathlib.Path, help="a binary of it, where Go can't build one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=50_000, help="in one round, to each server")
    parser.add_argument("--clients", type=int, default=8, help="connections")
    parser.add_argument("--streams", type=int, default=32, help="open at once on each connection")
    parser.add_argument("--threads", type=int, default=1, help="of the load generator")
    parser.add_argument("--rates", type=int, nargs="*", default=[500, 2000, 4000], help="requests a second, for latencies")
    parser.add_argument("--seconds", type=int, default=10, help="at each rate")
    args = parser.parse_args()
    args.json = False
    WORK.mkdir(parents=True, exist_ok=True)
    peers, left_out = all_peers(args)
    with contextlib.ExitStack() as stack:
        servers = []
        for peer in peers:
            server = peer.start()
            stack.callback(server.process.wait)
            stack.callback(server.process.terminate)
            server.wait(60)
            servers.append(server)
        agree(args, peers)
        measure(servers, args)
    for why in left_out:
        print(why)


if __name__ == "__main__":
    main()
