"""Synthetic FHIR R4 charts: who the demo people are, what their portals hold, what the vendor selects.

`chart(profile, patient)` gives the resources, `select` filters them as the vendor does, `to_json` writes
them. The same arguments always give the same bytes; nothing is read from disk, network or clock.

Profiles: `tiny` (about 60 resources), `typical` (2,000 resources, 2 to 3 MB), `large` (20,000 resources,
about 50 MB with scanned documents), `payer` (coverages and claims) and `empty`.

Typical and large charts contain on purpose, once each unless said otherwise:

- an OperationOutcome among the records: a warning that a document is withheld;
- references that lead nowhere (`oddities.DANGLING`);
- entries without any date (a blood group, a birth weight, a procedure by history);
- partial dates: "2019" and "2019-04"; also "2017" and the like in histories of every profile;
- decimals whose text matters, everywhere: resources hold `decimal.Decimal`, and `to_json` writes 10.50
  as 10.50;
- a resource with others contained in it;
- names outside ASCII and outside Latin script;
- a document that only the portal keeps, by its address (every clinical profile);
- references from what is selected to what is not: a filter leaves such references without a target.
"""

from sandbox.records.charts import PROFILES, chart
from sandbox.records.encode import to_json
from sandbox.records.oddities import DANGLING
from sandbox.records.patients import ACCOUNTS, PASSWORDS, PATIENTS, Account, Patient
from sandbox.records.selection import REQUESTABLE, select

__all__ = [
    "ACCOUNTS",
    "DANGLING",
    "PASSWORDS",
    "PATIENTS",
    "PROFILES",
    "REQUESTABLE",
    "Account",
    "Patient",
    "chart",
    "select",
    "to_json",
]
