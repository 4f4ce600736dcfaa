"""What a running server says of itself, and waiting for it to say so."""

import re
import sys
import time
import urllib.error
import urllib.request


def is_ready(http):
    try:
        with urllib.request.urlopen(f"http://{http}/ready"):
            return True
    except urllib.error.HTTPError:
        return False


def metrics(http):
    with urllib.request.urlopen(f"http://{http}/metrics") as answer:
        page = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^((?:plimsoll|process)_\w+) (\S+)$", page, re.M)}


def until(what, look, seconds=300):
    """What `look` gives, once it gives something; a server that isn't there gives nothing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except OSError:
            pass
        time.sleep(0.005)
    sys.exit(f"{what} does not come about")
