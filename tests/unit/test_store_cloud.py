"""Stores by URL: what is understood, what is refused, and what a service's answers become."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import taskgrove
from taskgrove.domain.errors import (
    BadValueError,
    EnvironmentFailure,
    MissingExtraError,
    StorageAccessError,
    StorageFullError,
    UnknownNameError,
)
from taskgrove.store.backends import open_backend
from taskgrove.store.backends.cloud import CloudBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from tests.conformance.servers import KEYS, Service, rclone

SECRET = "wJalrXUtnFEMI"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with rclone(tmp_path_factory.mktemp("rclone")) as service:
        yield service


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """The endpoint of a service that answers every request alike."""
    body = f"<Error><Code>{code}</Code><Message>words.</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/a/b?region=eu-west-1&endpoint=http://127.0.0.1:9000",
        "gs://bucket/a?skip_signature=true",
        "az://container/a?account_name=someone",
        "abfs://container@someone.dfs.core.windows.net/a",
    ],
)
def test_buckets_are_opened_by_url(url: str) -> None:
    for text in (url, f"cloud:{url}"):
        backend = open_backend(text)
        assert isinstance(backend, CloudBackend)
        assert str(backend) == url


@pytest.mark.parametrize(
    "url", ["s3://", "s3:bucket", "s3:///a", "s3://bucket/a#b", "s3://[", "cloud:bucket", "cloud:ftp://a"]
)
def test_what_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(BadValueError, match=r"write (one of )?s3://bucket/prefix"):
        open_backend(url)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(
        UnknownNameError, match=r"option of s3:// URLs named 'endpont'. Did you mean 'endpoint'"
    ):
        open_backend("s3://bucket?endpont=http://127.0.0.1")


@pytest.mark.parametrize("url", [f"s3://key:{SECRET}@bucket", f"s3://bucket?secret_access_key={SECRET}"])
def test_credentials_have_no_place_in_a_url_and_are_not_repeated(url: str) -> None:
    with pytest.raises((BadValueError, UnknownNameError), match="environment") as caught:
        open_backend(url)
    assert SECRET not in str(caught.value)


def test_an_endpoint_that_is_no_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadValueError, match=r"endpoint is 'localhost:9000'.*write http://"):
        open_backend("s3://bucket?endpoint=localhost:9000")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
    with pytest.raises(BadValueError, match="AWS_ENDPOINT_URL is 'localhost:9000'"):
        open_backend("s3://bucket")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_the_environment_names_the_server_unless_the_url_does(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, NOWHERE)
    with pytest.raises(EnvironmentFailure, match=NOWHERE):
        CloudBackend("s3://bucket", patience_s=0.1).get("a")
    with answering(412, "PreconditionFailed") as endpoint:
        url = f"s3://bucket?endpoint={endpoint}"
        if variable == "AWS_ENDPOINT_URL_S3":  # it would win
            with pytest.raises(BadValueError, match="set AWS_ENDPOINT_URL instead"):
                CloudBackend(url)
        else:
            assert not CloudBackend(url).put_new("a", b"1")


def test_what_the_environment_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(BadValueError, match=r"Account must be specified.*AZURE_STORAGE_ACCOUNT_NAME"):
        open_backend("az://container")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taskgrove\[cloud\]'"):
        open_backend("s3://bucket")


def test_stores_in_memory_are_shared_by_name() -> None:
    one, same, other = (open_backend(f"memory://{name}") for name in ("cloud-a", "cloud-a", "cloud-b"))
    assert one.put_new("a", b"1")
    assert same.get("a") == b"1"
    assert other.get("a") is None
    assert str(one) == "memory://cloud-a"
    assert MemoryBackend().get("a") is None


def test_a_system_in_memory_is_opened_again_by_its_url() -> None:
    grove = taskgrove.create("memory://a system", root="vit-tiny-test")
    assert taskgrove.open("memory://a system").view().roots == grove.view().roots


VERBS: dict[str, Callable[[AbstractBackend], object]] = {
    "get": lambda backend: backend.get("a"),
    "put": lambda backend: backend.put("a", b"1"),
    "put_new": lambda backend: backend.put_new("a", b"1"),
    "list": lambda backend: [*backend.list("")],
    "delete": lambda backend: backend.delete(["a"]),
}
every_verb = pytest.mark.parametrize("call", [*VERBS.values(), lambda b: b.size("a")], ids=[*VERBS, "size"])


@every_verb
def test_wrong_credentials_are_an_access_error(
    call: Callable[[AbstractBackend], object], server: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(
        StorageAccessError, match=rf"Check AWS_ACCESS_KEY_ID.*'bucket' at {server.endpoint}"
    ) as caught:
        call(CloudBackend(server.at("a")))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("call", VERBS.values(), ids=VERBS)
def test_a_missing_bucket_is_named(call: Callable[[AbstractBackend], object], server: Service) -> None:
    with pytest.raises(EnvironmentFailure, match=rf"no bucket 'absent' at {server.endpoint}.*Create it"):
        call(CloudBackend(server.at("a").replace("bucket", "absent", 1)))


@every_verb
def test_a_server_that_is_not_there_is_named(call: Callable[[AbstractBackend], object]) -> None:
    with pytest.raises(EnvironmentFailure, match=rf"Connection refused.*endpoint.*{NOWHERE}"):
        call(CloudBackend(f"s3://bucket?endpoint={NOWHERE}", patience_s=0.2))


def test_no_credentials_at_all_are_an_access_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", NOWHERE)
    with pytest.raises(StorageAccessError, match=r"no credentials were found.*Set AWS_ACCESS_KEY_ID"):
        CloudBackend("s3://bucket", patience_s=0.2).get("a")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", StorageAccessError),
        (400, "ExpiredToken", StorageAccessError),
        (507, "InsufficientStorage", StorageFullError),
        (400, "QuotaExceeded", StorageFullError),
        (400, "AuthorizationHeaderMalformed", EnvironmentFailure),
        (503, "SlowDown", EnvironmentFailure),
    ],
)
def test_answers_of_the_service_are_explained(status: int, code: str, expected: type[Exception]) -> None:
    with (
        answering(status, code) as endpoint,
        pytest.raises(EnvironmentFailure, match=f"{code}: words") as caught,
    ):
        CloudBackend(f"s3://bucket?endpoint={endpoint}", patience_s=0.2).put_new("a", b"1")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")]
)
def test_a_condition_that_failed_means_look(status: int, code: str) -> None:
    with answering(status, code) as endpoint:
        assert not CloudBackend(f"s3://bucket?endpoint={endpoint}").put_new("a", b"1")


def test_it_travels_to_other_processes_without_credentials(server: Service) -> None:
    backend = CloudBackend(server.at("travels"), patience_s=7.0)
    backend.put("a", b"1")
    bytes_ = pickle.dumps(backend)
    assert KEYS["AWS_SECRET_ACCESS_KEY"].encode() not in bytes_
    there = pickle.loads(bytes_)
    assert isinstance(there, CloudBackend)
    assert (there.url, there.patience_s, there.get("a")) == (backend.url, 7.0, b"1")
