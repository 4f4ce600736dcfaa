"""What `peers.py` asks and is answered, as bytes: of protocol buffers as much as that needs."""

import json
import struct


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
    if isinstance(of, dict):
        return field(5, entries(1, of))
    return b"\x11" + struct.pack("<d", of)


def entries(number, attributes):
    """A map from texts to values. Of number 1 it is a google.protobuf.Struct."""
    return b"".join(field(number, field(1, name) + field(2, value(of))) for name, of in attributes.items())


def framed(message):
    """As gRPC sends it."""
    return struct.pack(">BI", 0, len(message)) + message


def fields(message):
    """Number and value of each field: an int, or bytes."""

    def number():
        nonlocal at
        shift = result = 0
        while True:
            byte = message[at]
            at += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    at = 0
    while at < len(message):
        tag = number()
        if tag & 7 == 0:
            yield tag >> 3, number()
        else:
            size = {1: 8, 5: 4}[tag & 7] if tag & 7 != 2 else number()
            yield tag >> 3, message[at : at + size]
            at += size


def ask_cerbos(user, attributes):
    principal = field(1, user) + field(3, "user") + entries(4, attributes)
    resource = field(1, "account") + field(3, "a-8231")
    return framed(field(1, "r-1") + field(3, principal) + field(4, field(1, "transfer") + field(2, resource)))


def cerbos_allows(answer):
    verdicts = [verdict for verdict in (1, 2) if field(1, "transfer") + b"\x10" + varint(verdict) in answer]
    return {(1,): True, (2,): False}.get(tuple(verdicts), answer)


def ask_plimsoll(policy, user, attributes):
    parties = field(1, field(1, "user") + field(2, user)) + field(2, field(1, "transfer"))
    context = field(4, entries(1, attributes)) if attributes else b""
    return framed(parties + field(3, field(1, "account") + field(2, "a-8231")) + context + field(5, policy))


def plimsoll_allows(answer):
    # 1 allows, 4 denies.
    decision = dict(fields(answer[5:])).get(2)
    return {1: True, 4: False}.get(decision, answer)


def ask_envoy(user, attributes):
    """envoy.service.auth.v3.CheckRequest: the attributes are claims of a token that Envoy has verified, so that they keep their types."""
    path, host = "/accounts/a-8231/transfers", "bank.example.com"
    headers = {
        ":authority": host, ":method": "POST", ":path": path, ":scheme": "https",
        "content-type": "application/json", "user-agent": "peers", "x-request-id": "6c5cdd1e-3c7b-4a58-9ae5-7d8b27a2cf11",
    }
    http = field(1, "1163840276435117") + field(2, "POST")
    http += b"".join(field(3, field(1, name) + field(2, of)) for name, of in headers.items())
    http += field(4, path) + field(5, host) + field(6, "https") + field(10, "HTTP/2")
    peer = field(1, field(1, field(2, "203.0.113.9") + b"\x18" + varint(51234)))
    claims = field(1, field(1, "envoy.filters.http.jwt_authn") + field(2, entries(1, {"payload": {"sub": user, **attributes}})))
    return framed(field(1, field(1, peer) + field(4, field(2, http)) + field(11, claims)))


def envoy_allows(answer):
    status = dict(fields(answer[5:])).get(1)
    # 0 is OK, which may be left out; 7 PERMISSION_DENIED, as both answer; 16 UNAUTHENTICATED.
    code = None if status is None else dict(fields(status)).get(1, 0)
    return {0: True, 7: False}.get(code, answer)


def ask_opa(_user, attributes):
    """OPA's own REST API."""
    return json.dumps({"input": {"action": "transfer", "attributes": attributes}}).encode()


def opa_allows(answer):
    return {True: True, False: False}.get(json.loads(answer).get("result"), answer)
