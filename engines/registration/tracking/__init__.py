"""Following a registered model from frame to frame, with the patient, the table and the bones."""
