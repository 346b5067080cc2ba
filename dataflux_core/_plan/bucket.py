"""Hold what a bucket says of itself, as far as it decides what a request costs or does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

LocationType: TypeAlias = Literal["region", "dual-region", "multi-region", "zone"]
STORAGE_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """A bucket's settings; the defaults are those of a plain bucket in one region, with nothing switched on.

    Source: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
    """

    is_known: bool = True  # False: the bucket would not say; these are assumptions
    location: str = ""  # "" where that is not known
    location_type: str = "region"  # a LocationType, or what the service may call another one day
    storage_class: str = "STANDARD"  # of new objects
    soft_delete_s: int = 0  # seconds for which a deleted object is kept, and billed
    versioning: bool = False
    retention_s: int = 0  # seconds before which no object can be deleted
    default_event_based_hold: bool = False  # new objects cannot be deleted until somebody releases them
    hierarchical: bool = False
    requester_pays: bool = False
    autoclass: bool = False
    uniform_access: bool = True  # no access lists of single objects

    @classmethod
    def assumed(cls) -> BucketFacts:
        """Give what to reckon with where a bucket does not say: what the service makes unless told otherwise.

        Soft delete for seven days is that default. Source: https://cloud.google.com/storage/docs/soft-delete
        """
        return cls(is_known=False, soft_delete_s=7 * DAY_S)

    @property
    def is_zonal(self) -> bool:
        """Tell whether this is a Rapid bucket, which lies in one zone."""
        return self.location_type == "zone" or self.storage_class == "RAPID"

    @property
    def billed_class(self) -> str:
        """The storage class by whose prices requests are billed: with Autoclass always STANDARD.

        Classes of old are billed as STANDARD. Source: https://cloud.google.com/storage/docs/autoclass
        """
        return self.storage_class if self.storage_class in STORAGE_CLASSES and not self.autoclass else "STANDARD"
