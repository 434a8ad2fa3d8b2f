"""filelink's metrics."""

from prometheus_client import Counter, Gauge, Histogram

VOTES = Counter("varco_filelink_votes", "Votes, by what they say.", ["says"])
CONVERTED = Counter("varco_filelink_mails_converted", "Mails that left with links.")
UNCONVERTED = Counter("varco_filelink_mails_unconverted", "Mails that could not be converted and left unchanged.")
CONVERSION_SECONDS = Histogram(
    "varco_filelink_conversion_seconds", "Time to convert one mail.", buckets=(0.05, 0.1, 0.3, 1, 3, 10, 30, 100)
)
OLDEST = Gauge("varco_filelink_oldest_seconds", "Age of the oldest mail that is being converted.")
STORED = Gauge("varco_filelink_stored_bytes", "Bytes of the linked files; equal files of an account count once.")
LINKS = Gauge("varco_filelink_links", "Links that lead to a file.")
DOWNLOADS = Counter("varco_filelink_downloads", "Downloads, by how they ended.", ["ended"])
for _ended in ("complete", "incomplete"):  # a rate needs a first value
    DOWNLOADS.labels(_ended)
SENT = Counter("varco_filelink_sent_bytes", "Bytes of files that were sent.")
ANSWERS = Counter("varco_filelink_answers", "Responses of the download server, by status.", ["status"])
SWEPT = Counter("varco_filelink_objects_swept", "Deleted objects that no link led to.")
