"""The networks as plain torch modules: layers and shapes, without files or training."""
