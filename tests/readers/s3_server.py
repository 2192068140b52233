"""An S3 server on this machine, for tests/mpi/test_object_store.py; runs as read.py does.

    s3_server.py FOLDER

The folders in FOLDER become buckets; the objects of the bucket ``public`` can be read by anyone,
the others by those who sign. Prints one line of JSON: the address, and a user's key and secret.
Each line of standard input turns the check of signatures on (``check``) or off; at its end the
server ends.
"""

import json
import sys
from pathlib import Path

import boto3
from moto import settings
from moto.core.responses import ActionAuthenticatorMixin
from moto.server import ThreadedMotoServer

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


def main(folder: Path) -> None:
    """Serve the folders of a folder."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    place = {"endpoint_url": url, "region_name": "us-east-1"}
    anyone = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    s3, iam = (boto3.client(service, **place, **anyone) for service in ("s3", "iam"))
    for bucket in sorted(folder.iterdir()):
        s3.create_bucket(Bucket=bucket.name)
        acl = "public-read" if bucket.name == "public" else "private"
        for file in bucket.rglob("*"):
            if file.is_file():
                key = str(file.relative_to(bucket))
                s3.put_object(Bucket=bucket.name, Key=key, Body=file.read_bytes(), ACL=acl)
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="s3", PolicyDocument=json.dumps(POLICY))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    print(json.dumps([url, key["AccessKeyId"], key["SecretAccessKey"]]), flush=True)
    for line in sys.stdin:
        # Moto checks signatures after so many actions; it cannot answer unsigned ones then.
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0 if line == "check\n" else float("inf")
        ActionAuthenticatorMixin.request_count = 0
        print(flush=True)
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
