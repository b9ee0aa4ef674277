"""Storage in a bucket: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, final
from urllib.parse import SplitResult

from taskgrove.domain.errors import BadValueError, MissingExtraError
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.buckets import SERVICES, config_of, failure, is_without_bucket, reason_of, split
from taskgrove.store.keys import check_key, check_prefix

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_REQUEST = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(seconds=5)
_RETRIES = 20
_LISTED_AT_ONCE = 1000


@final
class CloudBackend(AbstractBackend):
    """Objects below a prefix of a bucket.

    Credentials are read from the environment when the backend is made. When it travels to another process
    only the URL does, so that process needs them in its own environment.

    Args:
        url: `<scheme>://<bucket>/<prefix>?<option>=<value>`, where options say which server is meant.
        patience_s: How long a request is repeated while the service does not answer, in seconds.

    Raises:
        BadValueError: The URL names no bucket, or the environment does not say which account is meant.
        UnknownNameError: The URL has an option that it cannot have.
        MissingExtraError: obstore is not installed.
    """

    name: ClassVar[str] = "cloud"
    summary: ClassVar[str] = "a bucket: s3://, gs:// or az://"
    schemes: ClassVar[tuple[str, ...]] = tuple(SERVICES)
    reads_at_once = 16

    def __init__(self, url: str, patience_s: float = 30.0) -> None:
        self.url = url
        self.patience_s = patience_s
        self._place = split(url)
        self._store = _connect(self._place, patience_s)

    @classmethod
    def at(cls, location: str) -> CloudBackend:
        return cls(location)

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple[object, ...]:
        return CloudBackend, (self.url, self.patience_s)

    def get(self, key: str) -> bytes | None:
        check_key(key)
        with self._explained(f"read {key}"):
            try:
                return self._store.get(key).bytes().to_bytes()
            except FileNotFoundError as error:
                if is_without_bucket(str(error)):
                    raise
        return None

    def size(self, key: str) -> int | None:
        check_key(key)
        with self._explained(f"look at {key}"):
            try:
                return self._store.head(key)["size"]
            except FileNotFoundError as error:
                if is_without_bucket(str(error)):
                    raise
        return None

    def put_new(self, key: str, data: bytes) -> bool:
        from obstore.exceptions import AlreadyExistsError

        check_key(key)
        with self._explained(f"write {key}"), suppress(AlreadyExistsError):
            # One request: a condition cannot be put on an upload in parts.
            self._store.put(key, data, mode="create", use_multipart=False)
            return True
        return False

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        with self._explained(f"write {key}"):
            self._store.put(key, data, use_multipart=False)

    def list(self, prefix: str) -> Iterator[Entry]:
        check_prefix(prefix)
        top = prefix.rpartition("/")[0]  # services are asked for whole folders
        with self._explained(f"list {prefix or 'all'}"):
            for batch in self._store.list(top or None, chunk_size=_LISTED_AT_ONCE):
                for found in batch:
                    if found["path"].startswith(prefix):
                        yield Entry(found["path"], found["size"], found["last_modified"].timestamp())

    def delete(self, keys: Iterable[str]) -> None:
        doomed = [*keys]
        for key in doomed:
            check_key(key)
        with self._explained(f"delete {len(doomed)} objects"):
            try:
                self._store.delete(doomed)
            except FileNotFoundError as error:  # Azure and Google stop at what is absent
                if is_without_bucket(str(error)):
                    raise
                for key in doomed:
                    with suppress(FileNotFoundError):
                        self._store.delete(key)

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Turn the client's errors into ours."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise failure(self._place, str(error), f"Could not {action} in {self.url}") from error


def _connect(place: SplitResult, patience_s: float) -> ObjectStore:
    """The client; it makes no request yet."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise MissingExtraError(
            f"A store in {place.scheme}:// needs obstore, which is not installed; "
            "run: pip install 'taskgrove[cloud]'."
        ) from error
    config: Any = config_of(place)
    try:
        return from_url(
            place._replace(query="").geturl(),
            config=config,
            client_options={"timeout": _REQUEST, "allow_http": True},  # http only where an endpoint says so
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=patience_s),
                "backoff": {"max_backoff": _LONGEST_PAUSE},
            },
        )
    except BaseError as error:
        raise BadValueError(
            f"{place.scheme}://{place.netloc} cannot be opened ({reason_of(str(error))}). Check the URL and, "
            f"in the environment, {SERVICES[place.scheme].credentials}."
        ) from error
