"""Runs the container of a rendered pod without a cluster: its files laid out as the kubelet does, its command, arguments
and environment with the real binary, as its user."""

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import yaml

from chart import ROOT, TOKEN, workload

BINARY = Path(os.environ.get("PLIMSOLL", ROOT / "target/debug/plimsoll"))
# The most that anything may take here; nothing waits so long unless it fails.
PATIENCE = 20


def until(look, what):
    """Looks until there is something to be seen, for as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, (
            f"{what if isinstance(what, str) else what()} was waited for in vain"
        )
        time.sleep(0.02)


def same_user(path):
    """What the container's user may read and write, where it is another than ours."""
    if os.geteuid() == 0:
        os.chmod(path, 0o777)


class Volume:
    """A folder as the kubelet makes it of a ConfigMap or a Secret: all files change at once, by one link."""

    def __init__(self, folder, files):
        self.folder, self.round = folder, 0
        folder.mkdir(parents=True)
        self.put(files)

    def put(self, files):
        self.round += 1
        data = self.folder / f"..{self.round}"
        for name, content in files.items():
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_bytes(content)
        (self.folder / "..new").symlink_to(data.name)
        (self.folder / "..new").rename(self.folder / "..data")
        tops = {name.split("/")[0] for name in files}
        for top in tops:
            if not (self.folder / top).is_symlink():
                (self.folder / top).symlink_to(f"..data/{top}")
        for link in self.folder.iterdir():
            if not link.name.startswith("..") and link.name not in tops:
                link.unlink()


class Pod:
    """`secrets` are those that the chart only names. `data` is a volume that outlives the pod."""

    def __init__(self, objects, spec=None, secrets=None, data=None, env=None):
        self.objects, self.secrets = objects, secrets or {}
        self.spec = spec or workload(objects)["spec"]["template"]["spec"]
        containers = self.spec.get("initContainers", []) + self.spec["containers"]
        (self.container,) = [c for c in containers if c["name"] == "plimsoll"]
        self.root = Path(tempfile.mkdtemp(prefix="plimsoll-pod-"))
        os.chmod(self.root, 0o755)
        self.volumes = {}
        for mount in self.container["volumeMounts"]:
            self._mount(mount, data)
        self.lines = []
        self._start(env or {})

    # What is in the volumes.

    def _mount(self, mount, data):
        folder = self.root / mount["mountPath"].lstrip("/")
        volumes = {v["name"]: v for v in self.spec.get("volumes", [])}
        volume = volumes.get(mount["name"], {})
        assert "subPath" not in mount, "such a mount never sees an edit"
        if "configMap" in volume or "secret" in volume:
            assert mount["readOnly"]
            self.volumes[mount["name"]] = Volume(folder, self._files(volume))
            return
        # An emptyDir, or what a claim was given.
        folder.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            folder.mkdir()
            same_user(folder)
        else:
            folder.symlink_to(data)

    def _files(self, volume):
        source = volume.get("configMap") or volume["secret"]
        name = source.get("name") or source["secretName"]
        content = self._content("ConfigMap" if "configMap" in volume else "Secret", name)
        if "items" in source:
            content = {item["path"]: content[item["key"]] for item in source["items"]}
        files = {name: text if isinstance(text, bytes) else text.encode() for name, text in content.items()}
        for name, text in files.items():
            if name == "plimsoll.yaml":
                files[name] = self._here(text.decode()).encode()
        return files

    def _content(self, kind, name):
        for each in self.objects:
            if each["kind"] == kind and each["metadata"]["name"] == name:
                coded = {key: base64.b64decode(text) for key, text in each.get("binaryData", {}).items()}
                return {**each.get("data", {}), **each.get("stringData", {}), **coded}
        return self.secrets[name]

    def _here(self, text):
        """Paths of the container as they are here: nothing else of the configuration is changed."""
        for path in ("/etc/plimsoll/", "/var/lib/plimsoll/"):
            text = text.replace(path, f"{self.root}{path}")
        return text

    # The process.

    def _start(self, env):
        (binary,) = self.container["command"]
        binary = self.root / binary.lstrip("/")
        binary.parent.mkdir(parents=True)
        try:
            os.link(BINARY, binary)
        except OSError:
            shutil.copy(BINARY, binary)
        config = (self.volumes["plimsoll-config"].folder / "plimsoll.yaml").read_text()
        # The addresses stay, the ports are given out: tests run beside one another.
        listen = yaml.safe_load(config)["listen"]
        self.configured = {which: listen[which].rsplit(":", 1) for which in ("grpc", "http")}
        ports = {
            f"PLIMSOLL_LISTEN__{which.upper()}": f"{host}:0" for which, (host, _) in self.configured.items()
        }
        own = {each["name"]: each["value"] for each in self.container.get("env", [])}
        self.as_user = {}
        if os.geteuid() == 0:
            security = self.container["securityContext"]
            self.as_user = {
                "user": security["runAsUser"],
                "group": security["runAsGroup"],
                "extra_groups": [],
            }
        self.process = subprocess.Popen(
            [binary, *map(self._here, self.container["args"])],
            # Nowhere to write but where the pod has a volume.
            cwd="/",
            env={"TMPDIR": "/nonexistent", **own, **ports, **env},
            stderr=subprocess.PIPE,
            text=True,
            # Python ignores SIGXFSZ: who writes more than a limit is told so, as by a full disk, and not ended.
            restore_signals=False,
            **self.as_user,
        )
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def log(self):
        return "".join(self.lines)

    def _address(self, which):
        """The port that was given out, once it is told."""

        def told():
            for line in list(self.lines):
                fields = json.loads(line).get("fields", {}) if line.startswith("{") else {}
                if fields.get("message") == which:
                    return int(fields["address"].rsplit(":", 1)[1])
            assert self.process.poll() is None, f"it has ended: {self.log()}"
            return None

        return until(told, f"the port of {which}")

    @property
    def http(self):
        return self._address("HTTP")

    @property
    def grpc(self):
        return self._address("gRPC")

    def stop(self):
        """Ends it as the kubelet does; says how."""
        self.process.send_signal(signal.SIGTERM)
        return self._end(self.spec.get("terminationGracePeriodSeconds", 30))

    def ended(self):
        """Waits until it ends by itself."""
        return self._end(PATIENCE)

    def _end(self, seconds):
        code = self.process.wait(timeout=seconds)
        self.reader.join(PATIENCE)
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    # What it is asked.

    def ask(self, path, body=None, token=TOKEN, tls=False, method=None):
        """The status and the text of an answer."""
        if tls:
            unverified = ssl.create_default_context()
            unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.http, timeout=PATIENCE, context=unverified
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["content-type"] = "application/json"
        connection.request(
            method or ("GET" if body is None else "POST"), path, body and json.dumps(body), headers
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def probe(self, name):
        """Asks a probe as the kubelet does: the status."""
        asked = self.container[name]["httpGet"]
        (port,) = [p["containerPort"] for p in self.container["ports"] if p["name"] == asked["port"]]
        assert port == int(self.configured["http"][1]), "the probe's port is not the one that is listened on"
        return self.ask(asked["path"], token=None, tls=asked["scheme"] == "HTTPS")[0]

    def ready(self):
        """Waits until the pod would be in the Service."""
        until(lambda: self.probe("readinessProbe") == 200, lambda: f"readiness: {self.log()}")
        return self

    def status(self, tls=False):
        return json.loads(self.ask("/status", tls=tls)[1])

    def decide(self, user="alice", tls=False, token=TOKEN):
        question = {
            "subject": {"type": "user", "id": user},
            "action": {"name": "read"},
            "resource": {"type": "page", "id": "home"},
        }
        return self.ask("/access/v1/evaluation", question, tls=tls, token=token)

    def decide_many(self, user, count):
        """Asks a thousand at a time."""
        one = {
            "subject": {"type": "user", "id": user},
            "action": {"name": "read"},
            "resource": {"type": "page", "id": "home"},
            "context": {"country": "NO"},
        }
        for _ in range(count // 1000):
            status, text = self.ask("/access/v1/evaluations", {"evaluations": [one] * 1000})
            assert status == 200, text

    def report(self, user, signals, observed_at=None, durable=False):
        report = {"entity": {"type": "user", "id": user}, "signals": signals}
        if observed_at:
            report["observed_at"] = observed_at
        status, text = self.ask("/v1/signals" + ("?durable=true" if durable else ""), {"reports": [report]})
        return status, text

    def metrics(self, tls=False):
        status, text = self.ask("/metrics", tls=tls)
        assert status == 200, text
        return text


def free_socket(port):
    """A connection that says nothing."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
