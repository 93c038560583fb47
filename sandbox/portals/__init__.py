"""The patient portals behind OneRecord: login, consent, codes and tokens."""
