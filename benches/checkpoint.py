#!/usr/bin/env python3
"""What a checkpoint does to decisions: latencies at a fixed rate, with and without one.

A server with a store is filled with users of ten signals each. Then, in turns, so that
whatever else the machine does falls on both alike: a quiet while, and a while in which
the store is made to fail (no file may grow) and let go again, upon which it compares all
that the cache holds with the disk and writes it. In both, some signals are reported. First:

    cargo build --profile dist --bins --bench load

and then:

    benches/checkpoint.py --users 1000000
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from compare import ROOT, bench

GRPC, HTTP = "127.0.0.1:9391", "127.0.0.1:9392"
FREE = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rate", type=int, default=2000, help="checks a second")
    parser.add_argument("--seconds", type=int, default=10, help="of each turn")
    parser.add_argument("--profile", default="dist")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT + "/target") as folder:
        config = os.path.join(folder, "plimsoll.yaml")
        with open(os.path.join(ROOT, "benches/plimsoll.yaml")) as file:
            text = file.read().replace("data: memory", f"data: {folder}/data")
        text = text.replace("policies: benches", f"policies: {ROOT}/benches").replace("log: warn", "log: off")
        with open(config, "w") as file:
            file.write(f"{text}listen: {{grpc: '{GRPC}', http: '{HTTP}'}}\n")
        plimsoll = os.path.join(ROOT, "target", args.profile, "plimsoll")
        # A write that is refused is to be an error, not the end: the signal stays ignored.
        server = subprocess.Popen([plimsoll, "serve", "--config", config], restore_signals=False)
        try:
            measure(server, plimsoll, args)
        finally:
            server.terminate()
            server.wait()


def metrics():
    with urllib.request.urlopen(f"http://{HTTP}/metrics") as answer:
        page = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(plimsoll_store_\w+) (\S+)$", page, re.M)}


def until(what, holds):
    end = time.monotonic() + 300
    while True:
        try:
            now = metrics()
            if holds(now):
                return now
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit(f"{what} does not come about")
        time.sleep(0.01)


def turn(plimsoll, args, during):
    command = [plimsoll, "bench", "--json", "--address", GRPC, "--rate", str(args.rate)]
    command += ["--duration", f"{args.seconds}s", "--users", str(args.users), "--connections", "4"]
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    during()
    told = json.loads(asking.communicate()[0])
    if told["errors"] or asking.returncode:
        sys.exit(f"some checks failed: {told}")
    return told["latency_us"]


def measure(server, plimsoll, args):
    until("a start", lambda now: True)
    load = bench("load", args.profile)
    subprocess.run([load, GRPC, str(args.users)], check=True)
    until("writing all", lambda now: now["plimsoll_store_waiting"] == 0)
    done = metrics()["plimsoll_store_checkpoints_total"]

    def report():
        subprocess.run([load, GRPC, "100"], check=True, stdout=subprocess.DEVNULL)
        time.sleep(1)

    def checkpoint():
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, FREE[1]))
        report()
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, FREE)

    turns = {"quiet": [], "checkpoint": []}
    seconds = []
    for _ in range(args.rounds):
        turns["quiet"].append(turn(plimsoll, args, report))
        before = metrics()["plimsoll_store_checkpoint_seconds_total"]
        turns["checkpoint"].append(turn(plimsoll, args, checkpoint))
        done += 1
        now = until("a checkpoint", lambda now: now["plimsoll_store_checkpoints_total"] >= done)
        seconds.append(now["plimsoll_store_checkpoint_seconds_total"] - before)
    print(f"{args.users} users, {args.rate} checks/s; a checkpoint takes {statistics.median(seconds):.2f} s")
    for quantile in ["p50", "p99", "p99.9"]:
        quiet, busy = ([told[quantile] for told in turns[of]] for of in ("quiet", "checkpoint"))
        ratio = statistics.median(busy) / statistics.median(quiet)
        print(f"{quantile:6} us  quiet {statistics.median(quiet):9.1f}  checkpoint {statistics.median(busy):9.1f}  {ratio:.2f}x")
        print(f"        all {sorted(quiet)} {sorted(busy)}")


if __name__ == "__main__":
    main()
