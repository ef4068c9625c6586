"""What a URL is. Nothing here needs torch: settings are read before there is work."""

import re


def is_url(text: str) -> bool:
    """Whether a text is a URL of one file system; fsspec's chains of several are none.

    >>> is_url("s3://bucket/folder"), is_url("bucket/folder"), is_url("simplecache::s3://bucket")
    (True, False, False)
    """
    return re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*://.+", text) is not None and "::" not in text
