"""The organizations of the directory: invented names in real places, and what each entry does oddly."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from sandbox.portals.personas import (
    BLUEBUTTON,
    CERNER,
    EPIC,
    FAILING,
    NO_REFRESH,
    PATIENT_IN_TOKEN,
    PLAIN,
    REFUSES_PATIENT,
    Persona,
)

type DataType = Literal["clinical", "payer"]


@dataclass(frozen=True)
class Place:
    """Where an organization is."""

    street: str
    city: str
    state: str
    zip: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Organization:
    """One entry of the directory, before its addresses are known; `oddly` overrides fields of Endpoint."""

    name: str
    vendor: str
    persona: Persona
    place: Place
    data_type: DataType = "clinical"
    oddly: dict[str, Any] = field(default_factory=dict)


_ADDRESS = frozenset({"street", "city", "state", "zip"})
_GEO = frozenset({"latitude", "longitude", "location"})

GUIDE_EXAMPLE = Organization(
    "Epic New",
    "Epic",
    EPIC,
    Place("1979 Milky Way", "Verona", "WI", "53593", 42.995075, -89.567826),
    oddly={
        "id": "8e9cb0f7-f920-49c3-ad23-b54b8a9ebe9f",
        "client_id": "e9896805-87ce-4da3-991c-093e4d1a53c5",
        "derived_client_id": "<client-id>",
        "inbound": "/inbound/",
    },
)

CLINICAL = (
    GUIDE_EXAMPLE,
    Organization("Harborlight Medical Center", "Epic", EPIC,
                 Place("410 Wharf Street", "Portland", "ME", "04101", 43.6573, -70.2553)),
    Organization("Juniper Valley Clinic", "Cerner", CERNER,
                 Place("2250 Juniper Canyon Road", "Bend", "OR", "97701", 44.0582, -121.3153)),
    Organization("Copperfield Regional Hospital", "Cerner", CERNER,
                 Place("900 Smelter Avenue", "Butte", "MT", "59701", 46.0038, -112.5348)),
    Organization("Lantern Hill Family Practice", "athenahealth", PATIENT_IN_TOKEN,
                 Place("77 Lantern Hill Lane", "Asheville", "NC", "28801", 35.5951, -82.5515)),
    Organization("Clearwater Bend Health", "NextGen", PLAIN,
                 Place("1600 River Bend Parkway", "Boise", "ID", "83702", 43.6150, -116.2023)),
    Organization("Stonegate University Hospital", "Epic", FAILING,
                 Place("1 Quadrangle Drive", "Ann Arbor", "MI", "48104", 42.2808, -83.7430)),
    Organization("Clínica San Jerónimo", "Cerner", CERNER,
                 Place("318 Calle del Álamo", "Las Cruces", "NM", "88001", 32.3199, -106.7637)),
    Organization("Hôpital Sainte-Odile Outreach", "Epic", EPIC,
                 Place("54 Rue Principale", "Lafayette", "LA", "70501", 30.2241, -92.0198)),
    Organization("Kealoha Makani Health Center — ʻOhana Clinic", "Epic", EPIC,
                 Place("1288 Kīlauea Avenue", "Hilo", "HI", "96720", 19.7071, -155.0885)),
    Organization("O'Dell & Whitaker Pediatrics", "athenahealth", PATIENT_IN_TOKEN,
                 Place("12 Nursery Row", "Lexington", "KY", "40507", 38.0406, -84.5037)),
    Organization("Ridgeline Orthopedics / Sports Medicine", "MEDITECH", EPIC,
                 Place("3100 Summit Ridge Drive", "Fort Collins", "CO", "80524", 40.5853, -105.0844),
                 oddly={"strict_query": True, "lower_case_escapes": True,
                        "extra_query": "scope=launch%2Fpatient+patient%2f*.read"
                                       "&aud=https%3A%2F%2Ffhir.example.org%2fapi%2FFHIR%2FR4&acr=&ui_locales=en-US+es&tag=a&tag=b~%7E!"}),
    Organization("Silver Birch Cancer Institute", "Epic", EPIC,
                 Place("5 Birchwood Circle", "Duluth", "MN", "55802", 46.7867, -92.1005)),
    Organization("Prairie Star Community Hospital", "MEDITECH", EPIC,
                 Place("802 Elevator Road", "Salina", "KS", "67401", 38.8403, -97.6114),
                 oddly={"status": "inactive"}),
    Organization("Tidewater Women's Health", "athenahealth", PATIENT_IN_TOKEN,
                 Place("230 Granby Commons", "Norfolk", "VA", "23510", 36.8508, -76.2859),
                 oddly={"without": _ADDRESS | _GEO}),
    Organization("Cedar Hollow Behavioral Health", "NextGen", PLAIN,
                 Place("19 Cedar Hollow Road", "Chattanooga", "TN", "37402", 35.0456, -85.3097),
                 oddly={"without": _GEO}),
    Organization("Northern Lights Health Cooperative", "Cerner", CERNER,
                 Place("640 Aurora Way", "Fairbanks", "AK", "99701", 64.8378, -147.7164),
                 oddly={"null": frozenset({"street", "latitude", "longitude", "location"})}),
    Organization("Mirador Heart & Vascular", "Epic", EPIC,
                 Place("2021 Mirador Boulevard", "Tucson", "AZ", "85701", 32.2226, -110.9747),
                 oddly={"challenge_method": "S512"}),
    Organization("Brightwater Eye Associates", "eClinicalWorks", CERNER,
                 Place("88 Lens Court", "Tampa", "FL", "33602", 27.9506, -82.4572),
                 oddly={"challenge_method": "s256"}),
    Organization("Foxglove Primary Care", "eClinicalWorks", PATIENT_IN_TOKEN,
                 Place("41 Foxglove Street", "Burlington", "VT", "05401", 44.4759, -73.2121),
                 oddly={"challenge_method": ""}),
    Organization("Granite Pass Hospital", "Epic", EPIC,
                 Place("700 Quarry Road", "Concord", "NH", "03301", 43.2081, -71.5376),
                 oddly={"preset_state": True}),
    Organization("Larkspur Health System", "Epic", EPIC,
                 Place("1500 Larkspur Landing", "Santa Rosa", "CA", "95401", 38.4404, -122.7141)),
    Organization("Larkspur Health System – Urgent Care", "Epic", EPIC,
                 Place("210 Mendocino Circle", "Santa Rosa", "CA", "95403", 38.4900, -122.7500),
                 oddly={"listed_twice": True}),
    Organization("Old Mill District Medical Group", "Cerner", CERNER,
                 Place("475 Powerhouse Drive", "Spokane", "WA", "99201", 47.6588, -117.4260)),
    Organization("Magnolia Bayou Clinic", "NextGen", EPIC,
                 Place("16 Bayou View", "Biloxi", "MS", "39530", 30.3960, -88.8853)),
    Organization("Thistledown Dermatology", "athenahealth", PATIENT_IN_TOKEN,
                 Place("9 Thistle Lane", "Madison", "WI", "53703", 43.0747, -89.3841)),
    Organization("Windrow Rural Health Network", "MEDITECH", EPIC,
                 Place("300 Grain Street", "Grand Island", "NE", "68801", 40.9264, -98.3420)),
    Organization("Cobalt Harbor Veterans Clinic", "Cerner", CERNER,
                 Place("1200 Anchor Drive", "Bremerton", "WA", "98337", 47.5673, -122.6329)),
    Organization("Elmstead Children's Hospital", "Epic", EPIC,
                 Place("60 Elmstead Avenue", "Rochester", "NY", "14604", 43.1566, -77.6088)),
    Organization("Painted Mesa Indian Health Partners", "MEDITECH", EPIC,
                 Place("4 Mesa Verde Loop", "Cortez", "CO", "81321", 37.3489, -108.5859)),
    Organization("Quaking Aspen Surgical Center", "eClinicalWorks", PLAIN,
                 Place("520 Aspen Grove", "Logan", "UT", "84321", 41.7370, -111.8338)),
    Organization("Riverstone Kidney Care", "Cerner", CERNER,
                 Place("2500 Riverstone Plaza", "Little Rock", "AR", "72201", 34.7465, -92.2896)),
    Organization("Saltmarsh Island Medical", "Epic", EPIC,
                 Place("33 Spartina Street", "Beaufort", "SC", "29902", 32.4316, -80.6698),
                 oddly={"status": "maintenance"}),
    Organization("Twin Falls Lane Diagnostics", "NextGen", NO_REFRESH,
                 Place("8 Canyon Rim", "Twin Falls", "ID", "83301", 42.5558, -114.4701)),
    Organization("Wren & Alder Internal Medicine", "athenahealth", PATIENT_IN_TOKEN,
                 Place("27 Alder Court", "Providence", "RI", "02903", 41.8240, -71.4128)),
    Organization("Beartooth Memorial Hospital", "Cerner", CERNER,
                 Place("1400 Highline Avenue", "Billings", "MT", "59101", 45.7833, -108.5007)),
    Organization("Cumberland Gap Lung & Sleep", "Epic", EPIC,
                 Place("66 Pinnacle Road", "Knoxville", "TN", "37902", 35.9606, -83.9207)),
    Organization("Dry Creek Endocrinology", "eClinicalWorks", PLAIN,
                 Place("3 Dry Creek Plaza", "Albuquerque", "NM", "87102", 35.0844, -106.6504)),
    Organization("Emerald Coast Physicians", "NextGen", EPIC,
                 Place("909 Gulfwind Drive", "Pensacola", "FL", "32501", 30.4213, -87.2169)),
    Organization("Falling Water Rehabilitation", "MEDITECH", NO_REFRESH,
                 Place("150 Mill Run", "Pittsburgh", "PA", "15222", 40.4406, -79.9959)),
    Organization("Verbena Street Midwifery", "athenahealth", NO_REFRESH,
                 Place("215 Verbena Street", "Savannah", "GA", "31401", 32.0809, -81.0912)),
)  # fmt: skip

PAYERS = (
    Organization("Meridian Blue Health Plan", "Blue Button", BLUEBUTTON,
                 Place("1 Meridian Plaza", "Hartford", "CT", "06103", 41.7658, -72.6734), "payer"),
    Organization("Federal Seniors Benefit Program", "Blue Button", BLUEBUTTON,
                 Place("7500 Security Square", "Baltimore", "MD", "21244", 39.3132, -76.7530), "payer"),
    Organization("Partners in Care Minnesota", "Edifecs", NO_REFRESH,
                 Place("8170 Lakeshore Avenue", "Bloomington", "MN", "55425", 44.8408, -93.2983), "payer"),
    Organization("Keystone Orchard Insurance", "Edifecs", REFUSES_PATIENT,
                 Place("1901 Orchard Street", "Harrisburg", "PA", "17101", 40.2732, -76.8867), "payer"),
    Organization("Sunward Advantage", "Onyx", BLUEBUTTON,
                 Place("400 Citrus Tower", "Orlando", "FL", "32801", 28.5383, -81.3792), "payer"),
    Organization("Golden Poppy Health Net", "Onyx", NO_REFRESH,
                 Place("1055 Wilder Boulevard", "Sacramento", "CA", "95814", 38.5816, -121.4944), "payer"),
    Organization("Plan de Salud Río Grande", "Edifecs", BLUEBUTTON,
                 Place("600 Mesquite Avenue", "McAllen", "TX", "78501", 26.2034, -98.2300), "payer"),
    Organization("Great Basin Employers' Trust", "Onyx", NO_REFRESH,
                 Place("77 Virginia Loop", "Reno", "NV", "89501", 39.5296, -119.8138), "payer",
                 oddly={"without": _GEO}),
    Organization("Cardinal Bridge Medicaid", "Edifecs", REFUSES_PATIENT,
                 Place("310 Capitol Walk", "Columbus", "OH", "43215", 39.9612, -82.9988), "payer"),
    Organization("Old Dominion Dental & Vision", "Onyx", NO_REFRESH,
                 Place("14 Monument Row", "Richmond", "VA", "23219", 37.5407, -77.4360), "payer",
                 oddly={"status": "inactive"}),
)  # fmt: skip

_PLAN_PLACES = (
    Place("100 Congress Way", "Austin", "TX", "78701", 30.2672, -97.7431),
    Place("20 Peach Row", "Atlanta", "GA", "30303", 33.7490, -84.3880),
    Place("5 Wacker Court", "Chicago", "IL", "60601", 41.8837, -87.6289),
    Place("940 Market Row", "Philadelphia", "PA", "19107", 39.9517, -75.1580),
    Place("61 Camelback Lane", "Phoenix", "AZ", "85004", 33.4484, -112.0740),
    Place("700 Fifth Terrace", "Seattle", "WA", "98104", 47.6062, -122.3321),
    Place("18 Beacon Steps", "Boston", "MA", "02108", 42.3601, -71.0589),
    Place("350 Larimer Close", "Denver", "CO", "80202", 39.7392, -104.9903),
    Place("2 Monument Court", "Indianapolis", "IN", "46204", 39.7684, -86.1581),
    Place("44 Royal Passage", "New Orleans", "LA", "70112", 29.9511, -90.0715),
)
_PLAN_NAMES = (
    "Alder Grove", "Bluestem", "Cascadia Crest", "Dogwood", "Evergreen Mutual", "Fairwind", "Gull Harbor",
    "Hearthstone", "Ironwood", "Jasper Lake",
)  # fmt: skip
_PLAN_KINDS = ("Health Plan", "Care Advantage", "Employee Benefits", "Community Plan", "Mutual Insurance")


def small_plans() -> Iterator[Organization]:
    """Five hundred more insurers: every name in every city in every line of business."""
    personas = (NO_REFRESH, BLUEBUTTON, REFUSES_PATIENT)
    for number, (name, kind, place) in enumerate(product(_PLAN_NAMES, _PLAN_KINDS, _PLAN_PLACES)):
        title = f"{name} {kind} of {place.city}"
        yield Organization(title, "Onyx" if number % 2 else "Edifecs", personas[number % 3], place, "payer")
