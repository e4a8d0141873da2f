"""Reference data: lines, bands, instruments, windows, ratios, demarcation lines, label rules.

`packaged_reference()` has the packaged tables; `read_reference` adds a user's own tables.
"""

from catalogs.reference.entries import (
    Band,
    DemarcationRow,
    Instrument,
    Line,
    PahProfile,
    PlaceClass,
    PredictorRow,
    Range,
    RatioRow,
    SampleGalaxy,
    blend_groups,
)
from catalogs.reference.tables import (
    PACKAGED,
    Reference,
    load_gatos_sample,
    load_pah_profiles,
    packaged_file,
    packaged_reference,
    read_reference,
)

__all__ = [
    "PACKAGED",
    "Band",
    "DemarcationRow",
    "Instrument",
    "Line",
    "PahProfile",
    "PlaceClass",
    "PredictorRow",
    "Range",
    "RatioRow",
    "Reference",
    "SampleGalaxy",
    "blend_groups",
    "load_gatos_sample",
    "load_pah_profiles",
    "packaged_file",
    "packaged_reference",
    "read_reference",
]
