"""Creates, reads and watches secrets. Needs the environment of `strongroom dev env`."""
import json, os, uuid
import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from strongroom.secrets.v1 import secrets_pb2 as pb, secrets_pb2_grpc

# A call that finds its node stopped goes to another; a write repeats safely by its token.
RETRY = {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [{
    "name": [{"service": "strongroom.secrets.v1.SecretsService"}],
    "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "1s",
                    "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}
ADVICE = {"ResourceNotFoundException": "no such secret: create it, or ask who removed it",
          "InvalidRequestException": "the request lacks something, or the secret is being deleted",
          "AccessDeniedException": "not allowed: ask the administrator"}


def connect():
    read = lambda variable: open(os.environ[variable], "rb").read()
    tls = grpc.ssl_channel_credentials(
        read("STRONGROOM_CA"), read("STRONGROOM_KEY"), read("STRONGROOM_CERT"))
    target = "ipv4:" + os.environ["STRONGROOM_ENDPOINTS"].replace("https://", "")
    server_name = os.environ.get("STRONGROOM_SERVER_NAME", "localhost")  # As `dev` has it.
    options = [("grpc.service_config", json.dumps(RETRY)),
               ("grpc.ssl_target_name_override", server_name)]
    return secrets_pb2_grpc.SecretsServiceStub(grpc.secure_channel(target, tls, options))


def reason(error):
    """The AWS error name of a failed call."""
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    found = status and any(detail.Unpack(info) for detail in status.details)
    return info.reason if found else error.code().name


def main():
    stub, name, token = connect(), f"app/{uuid.uuid4().hex}", lambda: str(uuid.uuid4())
    stub.CreateSecret(pb.CreateSecretRequest(name=name, client_request_token=token(),
        secret_string="first", tags=[pb.Tag(key="app", value=name)]), timeout=10)
    value = stub.GetSecretValue(pb.GetSecretValueRequest(secret_id=name), timeout=10)
    print("read", len(value.secret_string), "characters of", value.name)
    by_tag = pb.Filter(key=pb.FILTER_KEY_TAG_VALUE, values=[name])
    batch = stub.BatchGetSecretValue(pb.BatchGetSecretValueRequest(filters=[by_tag]), timeout=10)
    print("batch:", [entry.name for entry in batch.secret_values])

    watch = stub.Watch(pb.WatchRequest(secret_ids=[name]), timeout=30)
    next(watch)  # The first message says where the stream begins.
    stub.PutSecretValue(pb.PutSecretValueRequest(
        secret_id=name, client_request_token=token(), secret_string="second"), timeout=10)
    print("changed:", next(m.change.name for m in watch if m.HasField("change")))
    for call, request in ((stub.GetSecretValue, pb.GetSecretValueRequest(secret_id="no/such")),
                          (stub.PutSecretValue, pb.PutSecretValueRequest(secret_id=name))):
        try:
            call(request, timeout=10)
        except grpc.RpcError as error:
            print(ADVICE.get(reason(error)) or error.details())


if __name__ == "__main__":
    main()
