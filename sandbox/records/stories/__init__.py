"""Whose story is whose. Somebody without a story of their own gets a well adult's."""

from sandbox.records.patients import Patient
from sandbox.records.stories import (
    eleanor_whitcomb,
    james_okafor,
    maria_alvarez,
    meiling_chen,
    noah_lindqvist,
    walter_grabowski,
    well_adult,
    zoe_nguyen,
)
from sandbox.records.story import Story

# By name and birth date, not by id: each portal may know the same person under an id of its own.
_STORIES: dict[tuple[str, str], Story] = {
    ("Álvarez", "1968-03-14"): maria_alvarez.STORY,
    ("Okafor", "1992-01-22"): james_okafor.STORY,
    ("Lindqvist-Ødegård", "2019-05-09"): noah_lindqvist.STORY,
    ("Whitcomb", "1952-11-30"): eleanor_whitcomb.STORY,
    ("Grabowski", "1955-07-02"): walter_grabowski.STORY,
    ("Chen", "1985-09-18"): meiling_chen.STORY,
    ("Nguyễn", "1997-06-25"): zoe_nguyen.STORY,
}


def story_of(patient: Patient) -> Story:
    return _STORIES.get((patient.family, patient.birth_date), well_adult.STORY)
