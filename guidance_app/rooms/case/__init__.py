"""The case room: choose the patient that every other room works on."""
