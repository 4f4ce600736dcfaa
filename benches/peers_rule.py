"""The rule that `peers.py` measures: one table of factors, and the policy of each peer made from it.

Twenty attributes are mapped to 0..1, weighed and summed; what comes to less than 400 of 1000 is allowed.
"""

import json

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
TOTAL = sum(weight for _, weight, *_ in FACTORS)
HARMLESS = {name: harmless for name, _, _, harmless, _ in FACTORS}
HOSTILE = {name: hostile for name, *_, hostile in FACTORS}


def documents(*each):
    """JSON is YAML."""
    return "\n---\n".join(json.dumps(document, indent=1) for document in each) + "\n"


def cel(attribute, curve):
    """A factor in CEL, as an author of Cerbos' policies writes it."""
    if curve == "bool":
        return f"({attribute} ? 0.0 : 1.0)"
    if isinstance(curve, dict):
        *named, (_, last) = curve.items()
        return "(" + "".join(f'{attribute} == "{value}" ? {c} : ' for value, c in named) + f"{last})"
    return f"math.least({attribute} / {float(curve)}, 1.0)"


def cerbos():
    terms = [f"{float(weight)} * {cel('P.attr.' + name, curve)}" for name, weight, curve, *_ in FACTORS]
    condition = f"1000.0 * ({' + '.join(terms)}) / {float(TOTAL)} < {float(LIMIT)}"
    rule = {"actions": ["transfer"], "roles": ["*"], "effect": "EFFECT_ALLOW", "condition": {"match": {"expr": condition}}}
    policy = {"resource": "account", "version": "default", "rules": [rule]}
    return documents({"apiVersion": "api.cerbos.dev/v1", "resourcePolicy": policy})


def rego(attributes, transfers):
    """In Rego (v1): where the attributes are, and the lines that say that this is a transfer.

    One `sum` over a list, and no product with a weight of 1: of seven ways to write it, this took OPA the least,
    less than half of what a row of additions does.
    """

    def term(name, weight, curve):
        attribute = f"attributes.{name}"
        if curve == "bool":
            mapped = f"{{true: 0, false: 1}}[{attribute}]"
        elif isinstance(curve, dict):
            mapped = f"{json.dumps(curve)}[{attribute}]"
        else:
            mapped = f"min([{attribute} / {curve}, 1])"
        return mapped if weight == 1 else f"{weight} * {mapped}"

    terms = ",\n\t\t".join(term(name, weight, curve) for name, weight, curve, *_ in FACTORS)
    body = [*transfers, f"attributes := {attributes}", f"1000 * sum([\n\t\t{terms},\n\t]) / {TOTAL} < {LIMIT}"]
    return "package peers\n\ndefault allow := false\n\nallow if {\n\t" + "\n\t".join(body) + "\n}\n"


def plimsoll():
    """One policy that reads the request's context, and one that reads signals it holds."""

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
        "resources": [{"match": {"path": "/accounts/*/transfers", "method": "POST"}, "type": "account", "action": "transfer"}],
    }
    return documents(catalog, policy("asked", "context"), policy("held", "user"))
