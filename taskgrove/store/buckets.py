"""What a bucket's URL says, and what the answers of its service mean."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from taskgrove.domain.errors import (
    BadValueError,
    EnvironmentFailure,
    StorageAccessError,
    StorageFullError,
    UnknownNameError,
)

_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_FULL = {"QuotaExceeded", "StorageFull", "XMinioStorageFull", "AccountCapacityExceeded", "507"}
_DENIED = {"401", "403", "ExpiredToken", "InvalidToken", "AuthenticationFailed"}
_OF_THE_MACHINE = ("/latest/api/token", "/latest/meta-data", "/computeMetadata/", "/metadata/identity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What differs between the services.

    Attributes:
        options: Of its URLs, as obstore calls them.
        endpoints: Variables of the environment that say where its server is.
        credentials: Variables of the environment that say who is asking, in words.
    """

    options: frozenset[str]
    endpoints: tuple[str, ...]
    credentials: str


_S3 = Service(
    options=frozenset({"endpoint", "region", "skip_signature", "virtual_hosted_style_request"}),
    endpoints=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    credentials="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
)
_GCS = Service(
    options=frozenset({"base_url", "skip_signature"}),
    endpoints=("GOOGLE_BASE_URL",),
    credentials="GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT",
)
_AZURE = Service(
    options=frozenset({"account_name", "endpoint", "skip_signature"}),
    endpoints=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    credentials="AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
)
SERVICES: Mapping[str, Service] = {
    "s3": _S3,
    "gs": _GCS,
    **dict.fromkeys(("az", "adl", "abfs", "abfss"), _AZURE),
}


def split(url: str) -> SplitResult:
    """The parts of a URL that names a bucket; raises BadValueError when it does not."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadValueError(f"{url!r} is no URL ({error}); write s3://bucket/prefix.") from error
    if parts.password is not None:
        raise BadValueError("A URL holds no passwords; put credentials into the environment.")
    if parts.scheme not in SERVICES or not parts.netloc or parts.fragment:
        forms = ", ".join(f"{scheme}://bucket/prefix" for scheme in ("s3", "gs", "az"))
        raise BadValueError(f"{url!r} names no bucket; write one of {forms}.")
    return parts


def config_of(place: SplitResult) -> dict[str, str]:
    """The part of the URL behind the `?`, checked together with what the environment says.

    Raises:
        UnknownNameError: The URL has an option that it cannot have.
        BadValueError: An endpoint is no URL, or the environment contradicts the URL.
    """
    config = dict(parse_qsl(place.query, keep_blank_values=True))
    service = SERVICES[place.scheme]
    for option in config.keys() - service.options:
        unknown = UnknownNameError.of(f"option of {place.scheme}:// URLs", option, service.options)
        raise UnknownNameError(f"{unknown} Credentials and all else are read from the environment.")
    said = {name: os.environ[name] for name in service.endpoints if name in os.environ}
    for name, value in {**said, **config}.items():
        if name in {*said, "endpoint", "base_url"} and not re.match(r"https?://[\w\[]", value):
            raise BadValueError(
                f"{name} is {value!r}, which is no server; write http:// or https:// before it."
            )
    if "endpoint" in config and said.get("AWS_ENDPOINT_URL_S3", config["endpoint"]) != config["endpoint"]:
        raise BadValueError(
            f"AWS_ENDPOINT_URL_S3 ({said['AWS_ENDPOINT_URL_S3']}) would win over the URL's endpoint "
            f"({config['endpoint']}); set AWS_ENDPOINT_URL instead."
        )
    return config


def failure(place: SplitResult, text: str, what: str) -> EnvironmentFailure:
    """The error for a request that failed, from the client's words and from what was tried."""
    marks, reason = _marks(text), reason_of(text)
    server = re.search(r"performing \w+ (https?://[^/\s]+)", text)
    bucket = f"bucket {place.netloc!r} at {server[1] if server else 'its service'}"
    service = SERVICES[place.scheme]
    if any(path in text for path in _OF_THE_MACHINE):
        return StorageAccessError(
            f"{what}: no credentials were found, neither in the environment nor from the machine "
            f"({reason}). Set {service.credentials}."
        )
    if marks & _FULL:
        return StorageFullError(f"{what} ({reason}): no space is left. All commits so far are safe.")
    if marks & _DENIED:
        return StorageAccessError(
            f"{what} ({reason}). Check {service.credentials} and what they allow in {bucket}."
        )
    if marks & _NO_BUCKET or "404" in marks:
        return EnvironmentFailure(
            f"{what} ({reason}): there is no {bucket}. Create it, or check its name and the endpoint."
        )
    return EnvironmentFailure(
        f"{what} ({reason}). Check the network, the endpoint and the region of {bucket}; all commits so "
        "far are safe."
    )


def is_without_bucket(text: str) -> bool:
    """Whether the bucket itself is missing; services answer alike for an absent object, but for a code."""
    return bool(_marks(text) & _NO_BUCKET)


def _marks(text: str) -> set[str]:
    """The HTTP status and the service's code in an error's text."""
    return {*re.findall(r"status code: (\d{3})", text), *re.findall(r"<Code>(\w+)</Code>", text)}


def reason_of(text: str) -> str:
    """The short part of an error's text: the service's own words, or the client's."""
    said = re.search(r"<Code>(\w+)</Code>(?:\s*<Message>([^<\n]*))?", text)
    if said:
        return f"{said[1]}: {said[2].rstrip('. ')}" if said[2] else said[1]
    first = text.strip().partition("\n")[0].rpartition(" - ")[2].rstrip(":. ")
    for cause in (r'message: "([^"]*)"', r'ConnectError\(\s*"([^"]*)"', r"kind: (Timeout)"):
        if found := re.search(cause, text):
            return f"{first}: {found[1]}"
    return first
