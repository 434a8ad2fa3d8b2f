"""For which region an S3 server wants requests signed. A strict one names it when it refuses."""

import re

from minio import Minio
from minio.error import S3Error

_REFUSED = {"AuthorizationHeaderMalformed", "AuthorizationQueryParametersError"}
_REGION = re.compile(rb"<Region>([\w.-]+)</Region>")


def region_expected(client: Minio, bucket: str) -> str:
    """Returns the region that the client should sign for; empty if its own is right.

    Asks with a listing of nothing, because the answer to a HEAD has no words. Raises what the
    client raises where no S3 server answers.
    """
    try:
        next(iter(client.list_objects(bucket, prefix="no-such-key/")), None)
    except S3Error as error:
        match = error.code in _REFUSED and _REGION.search(error.response.data)
        return match[1].decode() if match else ""
    return ""
