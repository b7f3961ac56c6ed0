"""Names of files and anchors that follow from any text, and say nothing but letters, digits and hyphens."""

import hashlib
import re

LONGEST = 48


def slug(text: str) -> str:
    """Return a readable name, and a digest that keeps two texts of one readable name apart."""
    readable = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST].rstrip("-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable or 'unnamed'}-{digest}"


def shortened(text: str, room: int) -> str:
    """Return `text` in at most `room` characters."""
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"
