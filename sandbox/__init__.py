"""The local world around Portico: everything outside AWS, played on loopback. Never deployed."""
