"""The demo people: who can log in at the sandbox's portals, and which chart each kind of portal holds.

Everybody here is invented. Names, streets and numbers are made to look real; telephone numbers use the
555-01xx range and mail addresses `example.com`, so that nobody is reached by accident.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Patient:
    """One person as a portal knows them; `id` is that portal's FHIR id and may differ between portals."""

    id: str
    given: str
    family: str
    gender: str
    birth_date: str
    street: str
    city: str
    state: str
    zip: str
    phone: str
    email: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


@dataclass(frozen=True, slots=True)
class Account:
    """A portal login: the person, the sandbox password, and the chart profile by kind of portal."""

    patient: Patient
    password: str
    clinical: str
    payer: str
    headline: str

    def profile(self, data_type: str) -> str:
        return self.payer if data_type == "payer" else self.clinical


_PEOPLE = {
    "maria.alvarez": Account(
        Patient(
            "eMA5mQ8sVtR2kXcJ0yLhW9w3",
            "María Elena",
            "Álvarez",
            "female",
            "1968-03-14",
            "2218 Mission Road",
            "San Antonio",
            "TX",
            "78214",
            "+1-210-555-0142",
            "maria.alvarez@example.com",
        ),
        "cempasuchil-68",
        "typical",
        "payer",
        "58, type 2 diabetes, hypertension and hyperlipidemia, under control since metformin",
    ),
    "james.okafor": Account(
        Patient(
            "eJOq71xWbD4nZs6uKp2TfGc8",
            "James Chukwuemeka",
            "Okafor",
            "male",
            "1992-01-22",
            "417 Larchwood Avenue, Apt 3B",
            "Philadelphia",
            "PA",
            "19143",
            "+1-215-555-0117",
            "james.okafor@example.com",
        ),
        "broad-street-92",
        "tiny",
        "payer",
        "34, moderate persistent asthma and hay fever",
    ),
    "noah.lindqvist": Account(
        Patient(
            "eNL3vYdP9aH6jBtUeM0rQxz1",
            "Noah",
            "Lindqvist-Ødegård",
            "male",
            "2019-05-09",
            "88 Summit Trail",
            "Duluth",
            "MN",
            "55803",
            "+1-218-555-0165",
            "lindqvist.family@example.com",
        ),
        "lake-superior-19",
        "tiny",
        "payer",
        "7, well child, immunizations up to date; his mother Ingrid signs in for him",
    ),
    "eleanor.whitcomb": Account(
        Patient(
            "eEW8cTgK5oN2sLyRi7VjXaq4",
            "Eleanor Ruth",
            "Whitcomb",
            "female",
            "1952-11-30",
            "9 Old Quarry Lane",
            "Brattleboro",
            "VT",
            "05301",
            "+1-802-555-0109",
            "eleanor.whitcomb@example.com",
        ),
        "green-mountain-52",
        "typical",
        "payer",
        "73, retired teacher, right knee replaced in 2024, osteoporosis and hypothyroidism",
    ),
    "walter.grabowski": Account(
        Patient(
            "eWG2uRzE6fC9hMnPb4SdYkt7",
            "Walter Józef",
            "Grabowski",
            "male",
            "1955-07-02",
            "1530 Kościuszko Street",
            "Hamtramck",
            "MI",
            "48212",
            "+1-313-555-0188",
            "walter.grabowski@example.com",
        ),
        "paczki-day-55",
        "large",
        "payer",
        "71, kidney failure on dialysis, heart failure and atrial fibrillation; a very long chart",
    ),
    "meiling.chen": Account(
        Patient(
            "eMC6wAiU1dJ8gFqOv3NzHbe5",
            "Mei-Ling",
            "Chen",
            "female",
            "1985-09-18",
            "640 Balboa Street",
            "San Francisco",
            "CA",
            "94118",
            "+1-415-555-0133",
            "meiling.chen@example.com",
        ),
        "ocean-beach-85",
        "typical",
        "payer",
        "41, Hashimoto's hypothyroidism and iron deficiency; two children",
    ),
    "zoe.nguyen": Account(
        Patient(
            "eZN4yBsM7kT1rGwXd5QpLoj9",
            "Zoë",
            "Nguyễn",
            "female",
            "1997-06-25",
            "3101 Magazine Street",
            "New Orleans",
            "LA",
            "70115",
            "+1-504-555-0171",
            "zoe.nguyen@example.com",
        ),
        "crescent-city-97",
        "empty",
        "payer",
        "29, just moved and just insured: an empty chart and no claims yet",
    ),
}

ACCOUNTS: Mapping[str, Account] = MappingProxyType(_PEOPLE)
PATIENTS: Mapping[str, Patient] = MappingProxyType(
    {name: account.patient for name, account in _PEOPLE.items()}
)
PASSWORDS: Mapping[str, str] = MappingProxyType({name: account.password for name, account in _PEOPLE.items()})
