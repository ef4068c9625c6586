"""A real S3 server in this process (moto), for tests of URLs."""

from collections.abc import Iterator

import pytest


def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server runs, and s3:// leads to it; gives the URL of an empty bucket."""
    pytest.importorskip("s3fs", reason="the extra remote is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto, a server of S3 for tests, is not installed")
    import s3fs  # noqa: PLC0415  # after the check

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("bucket")
    yield "s3://bucket"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()
