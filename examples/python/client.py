"""An application in Python that reports signals and asks, beside `plimsoll serve`.

    pip install -r examples/python/requirements.txt
    python -m grpc_tools.protoc -I proto --python_out=stubs --grpc_python_out=stubs \\
        proto/plimsoll/v1/*.proto                          # into a folder `stubs`
    PYTHONPATH=stubs python examples/python/client.py 127.0.0.1:9191 alice

PLIMSOLL_TOKEN is shown to the server where it is set, and PLIMSOLL_CA names a file
with who vouches for a server that speaks TLS.
"""

import argparse
import os
import sys

import grpc
from google.protobuf.struct_pb2 import Struct, Value

from plimsoll.v1 import decision_pb2, decision_pb2_grpc, signals_pb2, signals_pb2_grpc

# Seconds, with connecting. A server that answers takes milliseconds.
DEADLINE = 5.0


def connect(address: str) -> grpc.Channel:
    ca = os.environ.get("PLIMSOLL_CA")
    if ca is None:
        return grpc.insecure_channel(address)
    with open(ca, "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()))


def proof() -> list[tuple[str, str]]:
    token = os.environ.get("PLIMSOLL_TOKEN")
    return [] if token is None else [("authorization", f"Bearer {token}")]


def report(channel: grpc.Channel, user: str, signals: dict[str, float]) -> None:
    reported = signals_pb2.Report(entity=signals_pb2.Entity(type="user", id=user))
    for name, value in signals.items():
        reported.signals[name].CopyFrom(Value(number_value=value))
    answer = signals_pb2_grpc.SignalServiceStub(channel).Report(
        signals_pb2.ReportRequest(reports=[reported]), timeout=DEADLINE, metadata=proof()
    )
    print(f"signals taken in: {answer.accepted}")
    for rejected in answer.rejected:
        print(f"rejected {rejected.signal}: {rejected.reason}")


def evaluate(channel: grpc.Channel, user: str, action: str) -> bool:
    context = Struct()
    context.update({"amount": 250, "entities": {"device": "d1"}})
    request = decision_pb2.EvaluateRequest(
        subject=decision_pb2.Party(type="user", id=user),
        action=decision_pb2.Action(name=action),
        resource=decision_pb2.Party(type="account", id="a1"),
        context=context,
    )
    answer = decision_pb2_grpc.DecisionServiceStub(channel).Evaluate(
        request, timeout=DEADLINE, metadata=proof()
    )
    decision = decision_pb2.Decision.Name(answer.decision)
    print(f"{decision}: score {answer.shown_score:g} is {answer.level}")
    for reason in answer.reason_user:
        print(f"  {reason}")
    return answer.decision == decision_pb2.DECISION_ALLOW


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks, reports a signal, and asks again.")
    parser.add_argument("address", nargs="?", default="127.0.0.1:9191")
    parser.add_argument("user", nargs="?", default="alice")
    parser.add_argument("action", nargs="?", default="transfer")
    parser.add_argument("signal", nargs="?", default="auth_count=40", metavar="NAME=NUMBER")
    args = parser.parse_args()
    name, _, value = args.signal.partition("=")
    with connect(args.address) as channel:
        try:
            evaluate(channel, args.user, args.action)
            report(channel, args.user, {name: float(value)})
            return 0 if evaluate(channel, args.user, args.action) else 1
        except grpc.RpcError as error:
            # No answer: nothing is let pass.
            print(f"no decision: {error.code().name}: {error.details()}")
            return 2


if __name__ == "__main__":
    sys.exit(main())
