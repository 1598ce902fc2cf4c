"""The networks as plain modules: layers and shapes. No file, no training, no patient."""
