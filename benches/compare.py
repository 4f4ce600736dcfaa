#!/usr/bin/env python3
"""Server CPU time a check, of several servers side by side.

Every server is started once. A round sends the same load to each in turn, so
that whatever else the machine does falls on all alike; the figures are medians
over the rounds. CPU time is the whole process's, user and system, by
/proc/PID/stat: threads that don't answer checks are counted too.

Needs h2load (Debian: nghttp2-client). First:

    cargo build --profile dist --bench floor_server --bench wire_server

and then, for the floor and the wire:

    benches/compare.py

The first server is what the others are compared with. To compare others, say
for each its name, command and address; `{bench:NAME}` is a built bench:

    benches/compare.py \\
        --server floor '{bench:floor_server} serve 127.0.0.1:9291' 127.0.0.1:9291 \\
        --server plimsoll 'target/dist/plimsoll serve --config plimsoll.yaml' 127.0.0.1:9191
"""

import argparse
import glob
import json
import os
import re
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHECK = "/envoy.service.auth.v3.Authorization/Check"
GRPC = ("content-type: application/grpc", "te: trailers")
TICKS = os.sysconf("SC_CLK_TCK")
DEFAULT = [
    ["floor", "{bench:floor_server} serve 127.0.0.1:9291", "127.0.0.1:9291"],
    ["wire", "{bench:wire_server} serve 127.0.0.1:9292", "127.0.0.1:9292"],
    ["wire under tonic", "{bench:wire_server} tonic 127.0.0.1:9293", "127.0.0.1:9293"],
]


def bench(name, profile):
    """The newest build of a bench target."""
    pattern = os.path.join(ROOT, "target", profile, "deps", name + "-*")
    built = [path for path in glob.glob(pattern) if os.access(path, os.X_OK) and "." not in os.path.basename(path)]
    if not built:
        sys.exit(f"{name} is not built: cargo build --profile {profile} --bench {name}")
    return max(built, key=os.path.getmtime)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


class Server:
    def __init__(self, name, command, address, profile, path=CHECK, request=None, headers=GRPC, http1=False, **settings):
        self.name, self.address, self.path, self.request = name, address, path, request
        self.headers, self.http1 = headers, http1
        command = re.sub(r"\{bench:(\w+)\}", lambda found: bench(found[1], profile), command)
        self.process = subprocess.Popen(shlex.split(command), cwd=ROOT, stdout=subprocess.DEVNULL, **settings)
        self.cpu, self.rate = [], []

    def wait(self, seconds):
        host, _, port = self.address.rpartition(":")
        end = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} has ended with {self.process.returncode}")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    sys.exit(f"{self.name} doesn't listen on {self.address}")
                time.sleep(0.05)

    def load(self, requests, args, more=()):
        before = cpu_seconds(self.process.pid)
        command = ["h2load", "-n", str(requests), "-c", str(args.clients), "-m", str(args.streams), *more]
        command += ["--h1"] if self.http1 else []
        command += ["-t", str(args.threads), "-d", self.request or args.request]
        command += [part for header in self.headers for part in ("-H", header)]
        command.append(f"http://{self.address}{self.path}")
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        cpu = cpu_seconds(self.process.pid) - before
        done = int(re.search(r"(\d+) succeeded", output)[1])
        if done != requests:
            sys.exit(f"{self.name}: only {done} of {requests} checks succeeded\n{output}")
        return cpu / requests * 1e6, float(re.search(r"([\d.]+) req/s", output)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", nargs=3, action="append", metavar=("NAME", "COMMAND", "ADDRESS"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=100_000, help="in one round, to each server")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--streams", type=int, default=32, help="open at once on each connection")
    parser.add_argument("--threads", type=int, default=1, help="of the load generator")
    parser.add_argument("--request", help="a framed CheckRequest; by default that of floor_server")
    parser.add_argument("--profile", default="dist")
    parser.add_argument("--ready", type=float, default=60, help="seconds that a server may take to listen")
    parser.add_argument("--after", action="append", default=[], metavar="COMMAND", help="run once all servers listen: to load users, say")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        floor = bench("floor_server", args.profile)
        if not args.request:
            args.request = os.path.join(folder, "request.bin")
            subprocess.run([floor, "request", args.request], check=True, stdout=subprocess.DEVNULL)
        servers = []
        try:
            for name, command, address in args.server or DEFAULT:
                servers.append(Server(name, command, address, args.profile))
                servers[-1].wait(args.ready)
            for command in args.after:
                command = re.sub(r"\{bench:(\w+)\}", lambda found: bench(found[1], args.profile), command)
                subprocess.run(shlex.split(command), cwd=ROOT, check=True)
            for server in servers:
                # h2load counts HTTP statuses only: see first that the answer is one.
                subprocess.run([floor, "probe", server.address, args.request], check=True)
                server.load(args.requests // 4, args)
            rounds(servers, args)
            report(servers, args)
        finally:
            for server in servers:
                server.process.terminate()
            for server in servers:
                server.process.wait()


def rounds(servers, args):
    """Each server in turn, the first one another in each round."""
    for turn in range(args.rounds):
        for at in range(len(servers)):
            server = servers[(turn + at) % len(servers)]
            cpu, rate = server.load(args.requests, args)
            server.cpu.append(cpu)
            server.rate.append(rate)


def report(servers, args):
    floor = statistics.median(servers[0].cpu)
    rows = [
        {
            "server": server.name,
            "cpu_us": round(statistics.median(server.cpu), 2),
            "cpu_us_min": round(min(server.cpu), 2),
            "cpu_us_max": round(max(server.cpu), 2),
            "ratio": round(statistics.median(server.cpu) / floor, 3),
            "checks_per_second": round(statistics.median(server.rate)),
            "resident_mb": round(resident_mb(server.process.pid), 1),
        }
        for server in servers
    ]
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{args.rounds} rounds of {args.requests} checks, {args.clients} connections x {args.streams} streams")
    print(f"{'server':<40}{'CPU us/check':>14}{'(min - max)':>18}{'ratio':>8}{'checks/s':>10}{'RSS MB':>8}")
    for row in rows:
        spread = f"{row['cpu_us_min']:.2f} - {row['cpu_us_max']:.2f}"
        print(
            f"{row['server']:<40}{row['cpu_us']:>14.2f}{spread:>18}{row['ratio']:>8.2f}"
            f"{row['checks_per_second']:>10}{row['resident_mb']:>8.1f}"
        )


if __name__ == "__main__":
    main()
