"""The peers themselves, which `peers.py` gets into `target/tools`, in the versions below."""

import base64
import hashlib
import io
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import urllib.request

TOOLS = pathlib.Path(__file__).resolve().parent.parent / "target" / "tools"

CERBOS_VERSION = "0.51.0"
CERBOS_PACKAGE = f"https://registry.npmjs.org/@cerbos/cerbos-linux-x64/-/cerbos-linux-x64-{CERBOS_VERSION}.tgz"
CERBOS_SHA512 = "LYxcSk2qTygEinl6r6X0TeQmFfDKLiS9TWkS4ugJMI59JfrVmJN/mHPs1G7mGa2DGYjGmU1rsFzCYVUS7oh3iQ=="

OPA_VERSION = "v1.22.0"
OPA_ENVOY_VERSION = "v1.4.2-envoy"
# Go is here where it is installed as https://go.dev/doc/install says, and perhaps not on the PATH.
GO_PLACE = "/usr/local/go/bin"


class LeftOut(Exception):
    """Why a peer can't be measured here."""


def cerbos():
    """The binary that its makers publish on npm, checked by its SHA-512."""
    binary = TOOLS / f"cerbos-{CERBOS_VERSION}"
    if binary.exists():
        return binary
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit("this measures on Linux on x86-64 only")
    print(f"fetching Cerbos {CERBOS_VERSION}", flush=True)
    with urllib.request.urlopen(CERBOS_PACKAGE, timeout=300) as answer:
        package = answer.read()
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != CERBOS_SHA512:
        sys.exit(f"{CERBOS_PACKAGE} is not what it was: its SHA-512 differs")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        content = archive.extractfile("package/cerbos-linux-x64").read()
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_bytes(content)
    binary.chmod(0o755)
    return binary


def opa():
    return built_by_go("github.com/open-policy-agent/opa", OPA_VERSION)


def opa_envoy():
    return built_by_go("github.com/open-policy-agent/opa-envoy-plugin/cmd/opa-envoy-plugin", OPA_ENVOY_VERSION)


def built_by_go(package, version):
    """Go checks what it downloads against its checksum database. All that it writes is in TOOLS."""
    name = package.rpartition("/")[2]
    binary = TOOLS / f"{name}-{version}"
    if binary.exists():
        return binary
    go = shutil.which("go") or shutil.which("go", path=GO_PLACE)
    if go is None:
        raise LeftOut(f"no Go, neither on the PATH nor in {GO_PLACE}: https://go.dev/dl has it")
    place = TOOLS / "go"
    ours = {
        "GOPATH": str(place), "GOMODCACHE": str(place / "mod"), "GOCACHE": str(place / "cache"),
        # `rm -r target` must do; and as its makers build it, with nothing of C in it.
        "GOFLAGS": "-modcacherw -trimpath -mod=mod", "CGO_ENABLED": "0",
    }
    print(f"building {name} {version} by Go: some two minutes", flush=True)
    # In a module of its own: `go install` also wants to know of all versions whether they are still meant to be used.
    module = place / "module"
    shutil.rmtree(module, ignore_errors=True)
    module.mkdir(parents=True)
    for command in (["mod", "init", "peers"], ["get", f"{package}@{version}"], ["build", "-o", binary, package]):
        ran = subprocess.run(["nice", go, *command], cwd=module, env={**os.environ, **ours}, capture_output=True, text=True)
        if ran.returncode != 0:
            why = " ".join(line.strip() for line in ran.stderr.splitlines() if not line.startswith("go: downloading"))
            raise LeftOut(f"`go {command[0]} {package}@{version}` failed: {why.rpartition(f'@{version}: ')[2]}")
    return binary
