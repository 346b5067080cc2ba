"""Find out whether a bucket is to be listed folder by folder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from dataflux_core._wire.bucket import HIERARCHY_FIELDS, bucket_request, read_bucket
from dataflux_core._wire.message import error_message

if TYPE_CHECKING:
    from dataflux_core._run.listing.options import ListingOptions
    from dataflux_core._run.transport import Transport
    from dataflux_core._wire.listing import Scope
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)

_PAGES_BEFORE_INQUIRY = 3  # a listing that ends before is not worth a call more


class Inquiry:
    """One question about a bucket, asked beside its pages once they are more than a few.

    It is never asked again: whatever goes wrong with it, the listing stays flat, hence exact.
    """

    def __init__(self, scope: Scope, options: ListingOptions) -> None:
        self._scope = scope
        self._is_open = options.hierarchical is None and options.parallelism > 1 and scope.selection.allows_folders

    def is_due(self, pages: int) -> bool:
        """Tell whether it is time to ask, after so many pages."""
        return self._is_open and pages >= _PAGES_BEFORE_INQUIRY

    def ask(self, transport: Transport, authorization: str) -> None:
        """Send the question; `transport` hands this object back with the answer."""
        self._is_open = False
        scope = self._scope
        request = bucket_request(scope.bucket, HIERARCHY_FIELDS, user_project=scope.user_project)
        transport.start(request, self, authorization=authorization)

    def read(self, answer: Answer) -> bool:
        """Tell whether the bucket has a hierarchical namespace; False where that cannot be known."""
        bucket = self._scope.bucket
        if not answer.ok:
            reason = error_message(answer)
            log.info("list.flat bucket=%s status=%d reason=%s", bucket, answer.status, reason)
            return False
        try:
            found = read_bucket(answer.body).hierarchical
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.info("list.flat bucket=%s status=%d reason=%s", bucket, answer.status, error)
            return False
        if found:
            log.info("list.by_folder bucket=%s prefix=%s", bucket, self._scope.prefix)
        return found
