#!/usr/bin/env python3
"""The real Envoy in front of a small application, asking Plimsoll, with people at work.

    make envoy-demo

Watch requests go by, edit the policy that it names, and see them decided otherwise. With
--once it edits the policy itself, and fails unless that changes decisions as it should.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import upstream

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Seconds that anything may take that should happen soon.
PATIENCE = 30
DAY = 86_400

ACCESS_LOG = {
    "name": "envoy.access_loggers.stdout",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        "log_format": {"json_format": {
            "user": "%REQ(X-USER)%",
            "request": "%REQ(:METHOD)% %REQ(:PATH)%",
            "status": "%RESPONSE_CODE%",
            **{name: f"%DYNAMIC_METADATA(envoy.filters.http.ext_authz:{name})%"
               for name in ["decision", "score", "factors"]},
        }},
    },
}

PAINT = {"allow": "32", "restrict": "36", "step_up": "33", "deny": "31", "faint": "2", "bold": "1"}
IN_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Problem(Exception):
    """What stops the demo, in words for who runs it."""


def say(text=""):
    # In one piece: several threads say something.
    print(f"{text}\n", end="", flush=True)


def paint(text, name):
    return f"\x1b[{PAINT[name]}m{text}\x1b[0m" if IN_COLOUR and name in PAINT else text


def ask(url, user=None, method="GET", body=None):
    """The status and the body of an answer, whatever it is."""
    headers = {"content-type": "application/json"} if body else {}
    if user:
        headers["x-user"] = user
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    # No proxy of the surroundings stands between us.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def days_ago(days):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * DAY))


class Child:
    """A process whose output is read line by line, and kept for whoever looks for a fault."""

    def __init__(self, name, command, folder):
        self.name, self.command, self.log = name, command, folder / f"{name}.log"
        self.lines, self.more, self.ended = [], threading.Condition(), False

    def start(self, on_line=lambda _: None):
        # A group of its own: Ctrl-C comes to us, and we end our children in order.
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )
        self.reader = threading.Thread(target=self.read, args=[on_line], daemon=True)
        self.reader.start()

    def read(self, on_line):
        with self.log.open("w") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                on_line(line)
                with self.more:
                    self.lines.append(line)
                    self.more.notify_all()
        with self.more:
            self.ended = True
            self.more.notify_all()

    def wait_for(self, pattern):
        """What is found in a line of its output."""
        until, at = time.monotonic() + PATIENCE, 0
        with self.more:
            while True:
                for line in self.lines[at:]:
                    if found := re.search(pattern, line):
                        return found
                at = len(self.lines)
                left = until - time.monotonic()
                if self.ended or left <= 0:
                    said = "".join(self.lines[-5:])
                    raise Problem(f"{self.name} {'has ended' if self.ended else 'does not start'}. It said:\n{said}")
                self.more.wait(left)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # What it said last is read too.
        self.reader.join()


class Shop:
    """Everything between a client and the application, and who comes by."""

    def __init__(self, args, folder, stack):
        self.folder, self.policy = folder, folder / "policies" / "shop.yaml"
        shutil.copytree(HERE / "policies", folder / "policies")
        application = upstream.serve(0)
        stack.callback(application.server_close)
        stack.callback(application.shutdown)
        threading.Thread(target=application.serve_forever, daemon=True).start()
        self.start_plimsoll(args, stack)
        self.start_envoy(args, stack, application.server_address[1])

    def start_plimsoll(self, args, stack):
        config = {
            "listen": {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0"},
            "policies": str(self.folder / "policies"),
            "default_policy": "shop",
            "data": "memory",
            # A header stands for your login here: anybody can write it.
            "identity": {"user": [{"header": "x-user"}], "address": [{"connection": {}}]},
            "telemetry": {"log_format": "json"},
        }
        file = self.folder / "plimsoll.yaml"
        file.write_text(json.dumps(config, indent=2))
        self.plimsoll = Child("plimsoll", [args.plimsoll, "serve", "--config", str(file)], self.folder)
        self.plimsoll.start()
        stack.callback(self.plimsoll.stop)
        self.grpc = self.plimsoll.wait_for(r'"message":"gRPC","address":"([^"]+)"')[1]
        self.http = "http://" + self.plimsoll.wait_for(r'"message":"HTTP","address":"([^"]+)"')[1]

    def start_envoy(self, args, stack, application_port):
        """`docs/envoy.yaml` as it is, but for the ports, the patience and a log."""
        text = (ROOT / "docs" / "envoy.yaml").read_text()
        for old, new in [
            ("port_value: 8000", f"port_value: {args.port}"),
            ("port_value: 8080", f"port_value: {application_port}"),
            ("port_value: 9191", f"port_value: {self.grpc.rpartition(':')[2]}"),
            # On a laptop that builds something, nobody should be refused for that.
            ("timeout: 0.05s", "timeout: 5s"),
            ("context_extensions: {plimsoll.policy: reputation}", "context_extensions: {plimsoll.policy: shop}"),
            ("stat_prefix: in\n", f"stat_prefix: in\n                access_log: [{json.dumps(ACCESS_LOG)}]\n"),
        ]:
            if text.count(old) != 1:
                raise Problem(f"docs/envoy.yaml should have `{old.strip()}` once")
            text = text.replace(old, new)
        file, admin = self.folder / "envoy.yaml", self.folder / "envoy-admin"
        text += "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"
        file.write_text(text)
        command = [args.envoy, "-c", str(file), "--admin-address-path", str(admin), "--disable-hot-restart"]
        command += ["--concurrency", "1", "--file-flush-interval-msec", "10"]
        self.envoy = Child("envoy", command, self.folder)
        self.envoy.start(self.passed)
        stack.callback(self.envoy.stop)
        self.envoy.wait_for("starting main dispatch loop")
        _, listeners = ask(f"http://{admin.read_text()}/listeners?format=json")
        address = json.loads(listeners)["listener_statuses"][0]["local_address"]["socket_address"]
        self.url = f"http://127.0.0.1:{address['port_value']}"

    def passed(self, line):
        """Shows a request that Envoy has logged, whoever sent it, with the factors that count and their points."""
        if not line.startswith("{"):
            return
        entry = json.loads(line)
        decision = entry["decision"] or f"no decision: {entry['status']}"
        factors = sorted((entry["factors"] or {}).items(), key=lambda factor: -factor[1])
        why = ", ".join(f"{name} {points:.0f}" for name, points in factors if points >= 0.5)
        score = "" if entry["score"] is None else f"{entry['score']:.0f}"
        say(
            f"{paint(time.strftime('%H:%M:%S'), 'faint')}  {entry['user'] or '-':<6} {entry['request']:<16} "
            f"{paint(f'{decision:<8}', decision)} {score:>5}  {paint(why, 'faint')}"
        )

    def report(self, user, **signals):
        report = {"entity": {"type": "user", "id": user}, "signals": signals}
        status, answer = ask(f"{self.http}/v1/signals", method="POST", body={"reports": [report]})
        if status != 200 or json.loads(answer)["accepted"] != len(signals):
            raise Problem(f"Plimsoll did not take a report: {answer.decode()}")

    def status(self):
        return json.loads(ask(f"{self.http}/status")[1])["policy"]

    def round(self, guesses):
        """What the people of the shop do once; the statuses that they get."""
        self.report("mia", account_created_at=days_ago(700), orders=40, failed_logins_1h=0)
        self.report("rob", account_created_at=days_ago(2), orders=1)
        # Somebody guesses Eve's password, more often from round to round.
        self.report("eve", account_created_at=days_ago(90), orders=0, failed_logins_1h=guesses)
        for user in ["mia", "rob", "eve"]:
            for method, path in [("GET", "/cart"), ("POST", "/checkout")]:
                status, _ = ask(self.url + path, user=user, method=method)
                yield (user, path), status

    def wait_for_policy(self, old):
        """Waits until another revision decides."""
        until = time.monotonic() + PATIENCE
        while (now := self.status())["revision"] == old:
            if now["refused"] or time.monotonic() > until:
                raise Problem(f"the edited policy does not decide: {now}")
            time.sleep(0.02)


def introduce(shop):
    say(f"{paint('Plimsoll behind a real Envoy.', 'bold')} Envoy: {shop.url}, Plimsoll: {shop.grpc} (gRPC), {shop.http}")
    say(f"  edit the policy  {shop.policy}")
    say(f"  ask yourself     curl -X POST -H 'x-user: rob' {shop.url}/checkout")
    say(f"  report a signal  plimsoll signals set user mia failed_logins_1h=9 --server {shop.grpc}")
    say()
    say(paint(f"{'time':<9} {'user':<6} {'request':<16} {'decision':<8} {'score':>5}  why", "bold"))


def watch(shop, stopped):
    """Tells when another policy decides, or why an edit does not."""
    before = shop.status()
    while not stopped.wait(0.2):
        now = shop.status()
        if now["revision"] != before["revision"]:
            say(paint(f"-- from here on your edit decides (revision {now['revision']})", "bold"))
        elif now["refused"] and now["refused"] != before["refused"]:
            say(paint("-- your edit has a mistake; the policy before it goes on deciding", "deny"))
            say(now["refused"]["text"])
        before = now


def play(shop, pace):
    """Traffic until somebody ends it."""
    stopped = threading.Event()
    threading.Thread(target=watch, args=[shop, stopped], daemon=True).start()
    try:
        guesses = 0
        while True:
            for _ in shop.round(guesses):
                time.sleep(pace)
            guesses = (guesses + 2) % 12
    finally:
        stopped.set()


def play_once(shop):
    """Two rounds with an edit between them, which should change one decision."""
    before = dict(shop.round(guesses=9))
    old, began = shop.status()["revision"], time.monotonic()
    beside = shop.policy.with_suffix(".new")
    beside.write_text(shop.policy.read_text().replace("buy: 40", "buy: 20"))
    beside.replace(shop.policy)
    shop.wait_for_policy(old)
    say(paint(f"-- `buy: 40` is now `buy: 20`; it decides after {time.monotonic() - began:.1f} s", "bold"))
    after = dict(shop.round(guesses=9))
    flipped = {request: (status, after[request]) for request, status in before.items() if status != after[request]}
    # Envoy writes its log a little after its answers.
    count = len(before) + len(after)
    shop.envoy.stop()
    seen = sum(line.startswith("{") for line in shop.envoy.lines)
    for (user, path), (old, new) in flipped.items():
        say(f"{user}'s {path}: {old} before the edit, {new} after it")
    if flipped != {("rob", "/checkout"): (200, 401)} or seen != count:
        raise Problem(f"that is not what the edit should change: {before}, then {after}; {seen} of {count} were logged")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="two rounds with an edit between them, and an end")
    parser.add_argument("--port", type=int, default=0, help="of Envoy; left out, one that is free")
    parser.add_argument("--pace", type=float, default=0.5, metavar="SECONDS", help="between two requests")
    parser.add_argument("--plimsoll", default=ROOT / "target/release/plimsoll", help="the program (%(default)s)")
    parser.add_argument("--envoy", default=os.environ.get("ENVOY") or ROOT / ".venv/bin/envoy", help="the program (%(default)s)")
    args = parser.parse_args()
    # Also where whoever started this in the background has it ignore the first: it has processes to end.
    for number in [signal.SIGINT, signal.SIGTERM]:
        signal.signal(number, signal.default_int_handler)
    try:
        for program, mend in [(args.envoy, "make envoy"), (args.plimsoll, "cargo build --release")]:
            if not shutil.which(program):
                raise Problem(f"{program} is not there: `{mend}` installs it")
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plimsoll-envoy-demo-")))
            shop = Shop(args, folder, stack)
            introduce(shop)
            play_once(shop) if args.once else play(shop, args.pace)
    except KeyboardInterrupt:
        say("\nstopped")
    except (Problem, OSError) as problem:
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    main()
