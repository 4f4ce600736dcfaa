"""What grpcurl does without files, in its own words: asks a server for its services by
reflection, and calls one.

    python examples/python/reflect.py -plaintext 127.0.0.1:9191 list
    python examples/python/reflect.py -plaintext 127.0.0.1:9191 describe plimsoll.v1.EvaluateRequest
    python examples/python/reflect.py -plaintext -H 'x-plimsoll-token: ...' \\
        -d '{"entity": {"type": "user", "id": "alice"}}' 127.0.0.1:9191 plimsoll.v1.SignalService/Get
"""

import argparse
import collections
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

DETAILS = "method timeout metadata credentials wait_for_ready compression"


class Details(collections.namedtuple("Details", DETAILS.split()), grpc.ClientCallDetails):
    pass


class Metadata(grpc.StreamStreamClientInterceptor, grpc.UnaryUnaryClientInterceptor):
    """Sends the same metadata with everything: reflection asks for proof as well."""

    def __init__(self, pairs: list[tuple[str, str]]):
        self.pairs = pairs

    def details(self, call: grpc.ClientCallDetails) -> Details:
        known = {name: getattr(call, name, None) for name in DETAILS.split()}
        known["metadata"] = [*(call.metadata or []), *self.pairs]
        return Details(**known)

    def intercept_stream_stream(self, continuation, client_call_details, request_iterator):
        return continuation(self.details(client_call_details), request_iterator)

    def intercept_unary_unary(self, continuation, client_call_details, request):
        return continuation(self.details(client_call_details), request)


def describe(pool: DescriptorPool, name: str) -> None:
    try:
        service = pool.FindServiceByName(name)
    except KeyError:
        print(f"{name} is a message:")
        for field in pool.FindMessageTypeByName(name).fields:
            print(f"  {field.name} = {field.number}")
        return
    print(f"{name} is a service:")
    for method in service.methods:
        takes, gives = method.input_type.full_name, method.output_type.full_name
        print(f"  rpc {method.name} ( {takes} ) returns ( {gives} )")


def call(channel: grpc.Channel, pool: DescriptorPool, path: str, body: str) -> None:
    service, name = path.split("/")
    method = pool.FindServiceByName(service).FindMethodByName(name)
    request = json_format.Parse(body, GetMessageClass(method.input_type)(), descriptor_pool=pool)
    ask = channel.unary_unary(
        f"/{path}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    print(json_format.MessageToJson(ask(request, timeout=5)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-H", action="append", default=[], metavar="NAME: VALUE")
    parser.add_argument("-d", default="{}", metavar="JSON")
    parser.add_argument("address")
    parser.add_argument("what", help="list, describe or the method that is called")
    parser.add_argument("name", nargs="?", help="what is described")
    args = parser.parse_args()
    metadata = Metadata([tuple(header.split(": ", 1)) for header in args.H])
    with grpc.insecure_channel(args.address) as channel:
        channel = grpc.intercept_channel(channel, metadata)
        services = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(services)
        try:
            if args.what == "list":
                print("\n".join(sorted(services.get_services())))
            elif args.what == "describe":
                describe(pool, args.name)
            else:
                call(channel, pool, args.what, args.d)
        except grpc.RpcError as error:
            print(f"ERROR:\n  Code: {error.code().name}\n  Message: {error.details()}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
