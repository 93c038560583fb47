"""The local world: the deployed stack in an AWS emulator, and everything around it, on loopback."""
