"""What is known beforehand: lines, bands, instruments, windows, ratios, rules for labels.

`shipped()` are the packaged tables; `read_reference` joins a user's own to them.
"""

from catalogs.reference.entries import (
    Band,
    DemarcationRow,
    Instrument,
    Line,
    PlaceClass,
    Range,
    RatioRow,
    SampleGalaxy,
    blend_groups,
)
from catalogs.reference.tables import (
    PACKAGED,
    Reference,
    load_gatos_sample,
    packaged_file,
    read_reference,
    shipped,
)

__all__ = [
    "PACKAGED",
    "Band",
    "DemarcationRow",
    "Instrument",
    "Line",
    "PlaceClass",
    "Range",
    "RatioRow",
    "Reference",
    "SampleGalaxy",
    "blend_groups",
    "load_gatos_sample",
    "packaged_file",
    "read_reference",
    "shipped",
]
