"""Values that follow from others of the same visit, so that a reader who checks finds that they agree."""

from collections.abc import Callable, Mapping

type Taken = Mapping[str, float]
"""The values of one visit so far, by the name of the measure."""


def _ckd_epi(taken: Taken, woman: bool, age: float) -> float:
    """CKD-EPI 2021 from creatinine, sex and age."""
    kappa, alpha = (0.7, -0.241) if woman else (0.9, -0.302)
    ratio = taken.get("creatinine", kappa) / kappa
    return float(142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**age * (1.012 if woman else 1))


DERIVED: Mapping[str, Callable[[Taken, bool, float], float]] = {
    "bmi": lambda taken, _woman, _age: taken["weight"] / (taken["height"] / 100) ** 2,
    "egfr": _ckd_epi,
    "ldl": lambda taken, _woman, _age: taken["cholesterol"] - taken["hdl"] - taken["triglycerides"] / 5,
    "rbc": lambda taken, _woman, _age: taken["hemoglobin"] / 3.01,
    "hematocrit": lambda taken, _woman, _age: taken["hemoglobin"] * 2.97,
    "mcv": lambda taken, _woman, _age: taken["hematocrit"] / taken["rbc"] * 10,
}
