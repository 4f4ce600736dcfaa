#!/usr/bin/env python3
"""What a checkpoint does to decisions: latencies at a fixed rate, with and without one.

A server with a store is filled with users of ten signals each. Then, in turns, so that
whatever else the machine does falls on all alike: a quiet while, and two in which the store,
which was made to fail (no file may grow), is let go again, upon which it compares all that
the cache holds with the disk and writes what differs: that of a hundred users in one, and of
all users in the other. In each, some signals are reported. First:

    cargo build --profile dist --bins --bench load

and then:

    benches/checkpoint.py --users 1000000
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

from compare import ROOT, bench
from running import metrics, until

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


def once(what, holds):
    """The metrics, once they are so."""
    return until(what, lambda: now if holds(now := metrics(HTTP)) else None)


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
    once("a start", lambda now: True)
    load = bench("load", args.profile)
    subprocess.run([load, GRPC, str(args.users)], check=True)
    once("writing all", lambda now: now["plimsoll_store_waiting"] == 0)

    def report(users=100):
        subprocess.run([load, GRPC, str(users)], check=True, stdout=subprocess.DEVNULL)

    def fail():
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, FREE[1]))

    def recover():
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, FREE)

    def fail_with(users):
        def prepare():
            fail()
            report(users)
            once("a failure", lambda now: now["plimsoll_store_failing"] == 1)

        return prepare

    kinds = {
        "quiet": (lambda: None, report),
        "a hundred differ": (fail_with(100), lambda: (report(), recover())),
        "all differ": (fail_with(args.users), lambda: (report(), recover())),
    }
    turns = {kind: [] for kind in kinds}
    seconds = {kind: [] for kind in kinds}
    for _ in range(args.rounds):
        for kind, (prepare, during) in kinds.items():
            before = metrics(HTTP)
            prepare()
            turns[kind].append(turn(plimsoll, args, during))
            if kind != "quiet":
                done = before["plimsoll_store_checkpoints_total"]
                now = once("a checkpoint", lambda now: now["plimsoll_store_checkpoints_total"] > done)
                took = "plimsoll_store_checkpoint_seconds_total"
                seconds[kind].append(now[took] - before[took])
                once("all on disk", lambda now: now["plimsoll_store_waiting"] == 0)
    print(f"{args.users} users, {args.rate} checks/s, {args.seconds} s a turn")
    for kind, told in turns.items():
        took = f", a checkpoint takes {statistics.median(seconds[kind]):.1f} s" if seconds[kind] else ""
        print(f"{kind}{took}")
        for quantile in ["p50", "p99", "p99.9"]:
            here, quiet = (sorted(told[quantile] for told in turns[of]) for of in (kind, "quiet"))
            ratio = statistics.median(here) / statistics.median(quiet)
            print(f"  {quantile:6}{statistics.median(here):9.0f} us  {ratio:.2f}x  {[round(one) for one in here]}")


if __name__ == "__main__":
    main()
